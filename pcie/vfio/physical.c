/*
 * See physical.h. Contiguous memory of several hugepages: a file of hugepages is filled until some
 * of them lie one behind the other, these are mapped in that order, and the others given back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "pcie/vfio/physical.h"

#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21u << 26)
#endif

#define SMALL_PAGE  4096u
#define FRAME_MASK  (((uint64_t)1 << 55) - 1)
#define PRESENT     ((uint64_t)1 << 63)
#define TRIES_PAGES 64u /* hugepages that may be looked through for a contiguous run */

/* ---- where memory is ---------------------------------------------------------------------- */

static int physical_of(int pagemap, const void *va, uint64_t *ret_phys)
{
	uint64_t entry, frame;

	if (pread(pagemap, &entry, sizeof(entry),
		  (off_t)((uintptr_t)va / SMALL_PAGE * sizeof(entry))) != sizeof(entry))
		return -EIO;
	frame = entry & FRAME_MASK;
	if (!(entry & PRESENT))
		return -EFAULT;
	if (!frame)
		return -EPERM; /* hidden from those who are not root */
	*ret_phys = frame * SMALL_PAGE + ((uintptr_t)va & (SMALL_PAGE - 1));
	return 0;
}

static int pagemap_open(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int nvhi_physical_run(const void *va, size_t len, uint64_t *ret_phys, size_t *ret_len)
{
	size_t run = NVHI_HUGE_PAGE - ((uintptr_t)va & (NVHI_HUGE_PAGE - 1));
	int fd = pagemap_open(), err;
	uint64_t first, next;

	if (fd < 0)
		return fd;
	err = physical_of(fd, va, &first);
	while (!err && run < len && physical_of(fd, (const uint8_t *)va + run, &next) == 0 &&
	       next == first + run)
		run += NVHI_HUGE_PAGE;
	close(fd);
	if (err)
		return err;
	*ret_phys = first;
	*ret_len = run < len ? run : len;
	return 0;
}

bool nvhi_physical_is_huge(const void *va, size_t len)
{
	uintptr_t at = (uintptr_t)va, end = at + len;
	unsigned long page_kb, from = 0, to = 0;
	FILE *smaps = fopen("/proc/self/smaps", "re");
	char line[512];

	if (!smaps)
		return false;
	while (at < end && fgets(line, sizeof(line), smaps)) {
		unsigned long a, b;

		if (sscanf(line, "%lx-%lx ", &a, &b) == 2) {
			from = a;
			to = b;
		} else if (sscanf(line, "KernelPageSize: %lu kB", &page_kb) == 1 && at >= from &&
			   at < to) {
			if (page_kb < NVHI_HUGE_PAGE / 1024)
				break;
			at = to;
		}
	}
	fclose(smaps);
	return at >= end;
}

/* ---- contiguous memory -------------------------------------------------------------------- */

struct hugefile {
	int fd;
	uint32_t count;             /* pages in it */
	uint32_t page[TRIES_PAGES]; /* their places in the file, by physical address */
	uint64_t phys[TRIES_PAGES];
};

static int hugefile_add(struct hugefile *f)
{
	off_t at = (off_t)f->count * (off_t)NVHI_HUGE_PAGE;
	uint32_t i = f->count;
	uint64_t phys = 0;
	int pagemap, err;
	void *page;

	/* Reserved here, so that touching it cannot kill us. */
	if (fallocate(f->fd, 0, at, (off_t)NVHI_HUGE_PAGE) < 0)
		return -ENOMEM;
	page = mmap(NULL, NVHI_HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, at);
	if (page == MAP_FAILED)
		return -ENOMEM;
	*(volatile char *)page = 0;
	pagemap = pagemap_open();
	err = pagemap < 0 ? pagemap : physical_of(pagemap, page, &phys);
	if (pagemap >= 0)
		close(pagemap);
	munmap(page, NVHI_HUGE_PAGE);
	if (err)
		return err;
	for (; i > 0 && f->phys[i - 1] > phys; i--) {
		f->phys[i] = f->phys[i - 1];
		f->page[i] = f->page[i - 1];
	}
	f->phys[i] = phys;
	f->page[i] = f->count++;
	return 0;
}

/* Where `want` of them lie one behind the other; count when nowhere. */
static uint32_t hugefile_run(const struct hugefile *f, uint32_t want)
{
	uint32_t run = 0;

	for (uint32_t i = 0; i < f->count; i++) {
		run = i && f->phys[i] == f->phys[i - 1] + NVHI_HUGE_PAGE ? run + 1 : 1;
		if (run == want)
			return i + 1 - want;
	}
	return f->count;
}

static void *hugefile_map(const struct hugefile *f, uint32_t first, uint32_t want)
{
	size_t size = want * NVHI_HUGE_PAGE;
	uint8_t *area, *base;

	area = mmap(NULL, size + NVHI_HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED)
		return NULL;
	base = area + (-(uintptr_t)area & (NVHI_HUGE_PAGE - 1));
	if (base > area)
		munmap(area, (size_t)(base - area));
	if (base < area + NVHI_HUGE_PAGE)
		munmap(base + size, (size_t)(area + NVHI_HUGE_PAGE - base));
	for (uint32_t i = 0; i < want; i++) {
		off_t at = (off_t)f->page[first + i] * (off_t)NVHI_HUGE_PAGE;

		if (mmap(base + i * NVHI_HUGE_PAGE, NVHI_HUGE_PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED | MAP_POPULATE, f->fd, at) == MAP_FAILED) {
			munmap(base, size);
			return NULL;
		}
	}
	madvise(base, size, MADV_DONTFORK);
	return base;
}

static void hugefile_give_back(const struct hugefile *f, uint32_t first, uint32_t want)
{
	for (uint32_t i = 0; i < f->count; i++)
		if (i < first || i >= first + want)
			(void)!fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					 (off_t)f->page[i] * (off_t)NVHI_HUGE_PAGE,
					 (off_t)NVHI_HUGE_PAGE);
}

int nvhi_physical_alloc(size_t size, void **ret_ptr, uint64_t *ret_phys)
{
	uint32_t want = (uint32_t)(size / NVHI_HUGE_PAGE), first;
	struct hugefile f = {.count = 0};
	void *ptr;
	int err = 0;

	f.fd = memfd_create("nvhost", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB);
	if (f.fd < 0)
		return -errno;
	do {
		err = f.count == TRIES_PAGES ? -ENOMEM : hugefile_add(&f);
		first = hugefile_run(&f, want);
	} while (!err && first == f.count);
	ptr = err ? NULL : hugefile_map(&f, first, want);
	if (ptr) {
		hugefile_give_back(&f, first, want);
		*ret_phys = f.phys[first];
		*ret_ptr = ptr;
	} else if (!err) {
		err = -ENOMEM;
	}
	close(f.fd);
	if (err == -ENOMEM)
		nvhi_log(ERROR, PCIE,
			 "%zu contiguous bytes of hugepages are not to be had (%u looked at; more: "
			 "nvhost pci bind --hugepages N)",
			 size, f.count);
	else if (err == -EPERM)
		nvhi_log(ERROR, PCIE, "physical addresses are told to root only");
	return err;
}

void nvhi_physical_free(void *ptr, size_t size)
{
	munmap(ptr, size);
}
