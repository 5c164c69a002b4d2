/*
 * The kernel's word of devices that come and go: a netlink socket on which every change of the
 * device tree is told. What lies in the message is only looked at, and only from the kernel.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>

#include "pcie/vfio/device.h"

#define GROUP_KERNEL 1u

int nvhi_uevent_open(void)
{
	struct sockaddr_nl sa = {.nl_family = AF_NETLINK, .nl_groups = GROUP_KERNEL};
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_KOBJECT_UEVENT);
	int err;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

bool nvhi_uevent_about(const char *message, size_t len, const char *bdf)
{
	bool pci = false, ours = false, action = false;
	const char *p = message, *end = message + len;
	char slot[40];

	snprintf(slot, sizeof(slot), "PCI_SLOT_NAME=%s", bdf);
	while (p < end) {
		size_t n = strnlen(p, (size_t)(end - p));

		if (p + n == end)
			break; /* without its end */
		pci |= !strcmp(p, "SUBSYSTEM=pci");
		ours |= !strcmp(p, slot);
		action |= !strcmp(p, "ACTION=add") || !strcmp(p, "ACTION=remove") ||
			  !strcmp(p, "ACTION=bind") || !strcmp(p, "ACTION=unbind");
		p += n + 1;
	}
	return pci && ours && action;
}

bool nvhi_uevent_read(int fd, const char *bdf)
{
	char message[4096];
	bool ours = false;

	for (;;) {
		struct sockaddr_nl from = {0};
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(fd, message, sizeof(message), 0, (struct sockaddr *)&from,
				     &from_len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == ENOBUFS) {
			ours = true; /* some were lost: look */
			continue;
		}
		if (n <= 0)
			return ours;
		if (from.nl_pid == 0)
			ours |= nvhi_uevent_about(message, (size_t)n, bdf);
	}
}
