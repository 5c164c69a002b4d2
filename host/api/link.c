/*
 * Links: while controllers wait for their next attempt to connect, an interface that comes up or an
 * address that is added is a reason to try now. One netlink socket a host (rtnetlink(7)), opened with
 * the first wait, on the home reactor. Other machines' links come up all the time (containers): the
 * back-off is not begun anew, and of many events in a moment one counts.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "host/api/host.h"

#define LINK_SETTLE_NS (20 * NVHI_NSEC_PER_MSEC) /* routes follow addresses */
#define LINK_BUF       8192

struct nvhi_api_link {
	struct nvh_host *host;
	struct nvhi_source source;
	struct nvhi_timer settle;
	int fd;
};

static void link_settled(struct nvhi_timer *timer)
{
	struct nvhi_api_link *link = nvhi_container_of(timer, struct nvhi_api_link, settle);
	struct nvh_ctrlr *ctrlr;

	nvhi_list_for_each(ctrlr, &link->host->ctrlrs, link) {
		if (nvhi_ctrlr_state(ctrlr->inner) != NVHI_CTRLR_RECONNECT_WAIT)
			continue;
		nvhi_log(INFO, API, "%s: a network link came up: trying now", ctrlr->name);
		nvhi_ctrlr_nudge(ctrlr->inner);
	}
}

/* An address that is new, or an interface that has just begun to carry traffic. */
static bool link_is_news(const struct nlmsghdr *msg)
{
	const struct ifinfomsg *info = NLMSG_DATA(msg);

	if (msg->nlmsg_type == RTM_NEWADDR)
		return true;
	return msg->nlmsg_type == RTM_NEWLINK && msg->nlmsg_len >= NLMSG_LENGTH(sizeof(*info)) &&
	       (info->ifi_flags & IFF_RUNNING) && (info->ifi_change & (IFF_UP | IFF_RUNNING));
}

static int link_readable(struct nvhi_source *source, unsigned int events)
{
	struct nvhi_api_link *link = nvhi_container_of(source, struct nvhi_api_link, source);
	union {
		struct nlmsghdr msg;
		char bytes[LINK_BUF];
	} buf;
	bool news = false;
	ssize_t len;

	(void)events;
	len = recv(link->fd, &buf, sizeof(buf), MSG_DONTWAIT);
	if (len < 0)
		news = errno == ENOBUFS; /* some were lost */
	for (struct nlmsghdr *msg = &buf.msg; len > 0 && NLMSG_OK(msg, (size_t)len);
	     msg = NLMSG_NEXT(msg, len))
		news |= link_is_news(msg);
	if (news && !nvhi_timer_armed(&link->settle))
		(void)nvhi_timer_arm(nvhi_api_home(link->host), &link->settle, LINK_SETTLE_NS);
	return 1;
}

void nvhi_api_link_watch(struct nvh_host *host)
{
	struct sockaddr_nl addr = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
	};
	struct nvhi_api_link *link;

	if (host->links || host->closing || host->net != &nvhi_net_sockets)
		return;
	link = calloc(1, sizeof(*link));
	if (!link)
		return;
	link->host = host;
	link->settle.fn = link_settled;
	link->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (link->fd < 0)
		goto err_free;
	if (bind(link->fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    nvhi_source_add(nvhi_api_home(host), &link->source, link->fd, NVHI_READABLE, link_readable))
		goto err_close;
	host->links = link;
	return;

err_close:
	close(link->fd);
err_free:
	nvhi_log(DEBUG, API, "links are not watched: %s", strerror(errno));
	free(link);
}

void nvhi_api_link_close(struct nvh_host *host)
{
	struct nvhi_api_link *link = host->links;

	if (!link)
		return;
	nvhi_timer_cancel(nvhi_api_home(host), &link->settle);
	nvhi_source_remove(nvhi_api_home(host), &link->source);
	close(link->fd);
	free(link);
	host->links = NULL;
}
