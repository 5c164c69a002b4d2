/*
 * The list of block devices: names, UUIDs, users, deletion and resize. Management reactor.
 */
#include "target-lite/backend/bdev_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

void tl_bdevs_init(struct tl_bdevs *bdevs)
{
	nvhi_list_init(&bdevs->list);
}

/* The youngest first: one that stands on another is younger. */
void tl_bdevs_done(struct tl_bdevs *bdevs)
{
	while (!nvhi_list_empty(&bdevs->list)) {
		struct tl_bdev *bdev = nvhi_container_of(bdevs->list.prev, struct tl_bdev, link);

		assert(nvhi_list_empty(&bdev->users));
		nvhi_list_del(&bdev->link);
		bdev->ops->destroy(bdev);
	}
}

static bool bdev_uuid_text_equal(const uint8_t uuid[16], const char *text)
{
	char mine[37];
	const uint8_t *u = uuid;

	snprintf(mine, sizeof(mine),
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
		 u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
		 u[15]);
	return !strcasecmp(mine, text);
}

struct tl_bdev *tl_bdev_find(struct tl_bdevs *bdevs, const char *name)
{
	bool maybe_uuid = strlen(name) == 36;
	struct tl_bdev *bdev;

	nvhi_list_for_each(bdev, &bdevs->list, link)
		if (!strcmp(bdev->name, name) ||
		    (maybe_uuid && bdev_uuid_text_equal(bdev->uuid, name)))
			return bdev;
	return NULL;
}

void tl_bdev_auto_name(struct tl_bdevs *bdevs, const char *prefix, char *ret_name, size_t len)
{
	unsigned int i = 0;

	do {
		snprintf(ret_name, len, "%s%u", prefix, i++);
	} while (tl_bdev_find(bdevs, ret_name));
}

static bool bdev_name_valid(const char *name)
{
	size_t len = strnlen(name, TL_BDEV_NAME_LEN);

	return len > 0 && len < TL_BDEV_NAME_LEN;
}

static bool bdev_uuid_empty(const uint8_t uuid[16])
{
	static const uint8_t zero[16];

	return !memcmp(uuid, zero, 16);
}

int tl_bdev_register(struct tl_bdevs *bdevs, struct tl_bdev *bdev)
{
	if (!bdev_name_valid(bdev->name))
		return -EINVAL;
	if (tl_bdev_find(bdevs, bdev->name))
		return -EEXIST;
	if (bdev_uuid_empty(bdev->uuid)) {
		if (getrandom(bdev->uuid, 16, 0) != 16)
			return -EIO;
		bdev->uuid[6] = (bdev->uuid[6] & 0x0f) | 0x40; /* RFC 9562 version 4 */
		bdev->uuid[8] = (bdev->uuid[8] & 0x3f) | 0x80;
	}
	bdev->registry = bdevs;
	nvhi_list_init(&bdev->users);
	nvhi_list_add_tail(&bdevs->list, &bdev->link);
	return 0;
}

void tl_bdev_claim(struct tl_bdev *bdev, struct tl_bdev_user *user)
{
	nvhi_list_add_tail(&bdev->users, &user->link);
}

static void bdev_finish_delete(struct tl_bdev *bdev)
{
	void (*done)(void *arg, int err) = bdev->deleted;
	void *arg = bdev->deleted_arg;

	nvhi_list_del(&bdev->link);
	bdev->ops->destroy(bdev);
	if (done)
		done(arg, 0);
}

void tl_bdev_release(struct tl_bdev *bdev, struct tl_bdev_user *user)
{
	nvhi_list_del(&user->link);
	if (bdev->deleting && !bdev->asking && nvhi_list_empty(&bdev->users))
		bdev_finish_delete(bdev);
}

int tl_bdev_delete(struct tl_bdev *bdev, void (*done)(void *arg, int err), void *arg)
{
	struct tl_bdev_user *user, *tmp;

	if (bdev->deleting)
		return -EBUSY;
	bdev->deleting = true;
	bdev->deleted = done;
	bdev->deleted_arg = arg;
	bdev->ops->stop(bdev);
	/* A namespace lets go later, a bdev that stands on this one perhaps at once. */
	bdev->asking = true;
	nvhi_list_for_each_safe(user, tmp, &bdev->users, link)
		user->remove(user);
	bdev->asking = false;
	if (nvhi_list_empty(&bdev->users))
		bdev_finish_delete(bdev);
	return 0;
}

int tl_bdev_resize(struct tl_bdev *bdev, uint64_t blocks)
{
	struct tl_bdev_user *user;
	int ret;

	if (!blocks || blocks > UINT64_MAX / bdev->block_size)
		return -EINVAL;
	ret = bdev->ops->resize(bdev, blocks);
	if (ret)
		return ret;
	nvhi_list_for_each(user, &bdev->users, link)
		user->resized(user);
	return 0;
}

int tl_bdev_init_size(struct tl_bdev *bdev, const struct tl_bdev_create_opts *opts)
{
	uint32_t bs = opts->block_size, pbs = opts->physical_block_size;

	if (bs < 512 || bs > 65536 || (bs & (bs - 1)))
		return -EINVAL;
	if (!opts->blocks || opts->blocks > (uint64_t)INT64_MAX / bs)
		return -EINVAL;
	if (!pbs)
		pbs = bs;
	if (pbs < bs || pbs > 65536 || (pbs & (pbs - 1)))
		return -EINVAL;
	bdev->block_size = bs;
	bdev->physical_block_size = pbs;
	bdev->blocks = opts->blocks;
	return 0;
}

int tl_bdev_init_name(struct tl_bdevs *bdevs, struct tl_bdev *bdev,
		      const struct tl_bdev_create_opts *opts, const char *prefix)
{
	if (!opts->name) {
		tl_bdev_auto_name(bdevs, prefix, bdev->name, sizeof(bdev->name));
	} else {
		if (!bdev_name_valid(opts->name))
			return -EINVAL;
		memcpy(bdev->name, opts->name, strlen(opts->name) + 1);
	}
	if (opts->uuid)
		memcpy(bdev->uuid, opts->uuid, 16);
	return 0;
}

int tl_bdev_no_resize(struct tl_bdev *bdev, uint64_t blocks)
{
	(void)bdev;
	(void)blocks;
	return -ENOTSUP;
}

const char *tl_bdev_no_filename(const struct tl_bdev *bdev)
{
	(void)bdev;
	return "";
}

const void *tl_bdev_no_lend(struct tl_bdev *bdev, uint64_t lba, uint64_t blocks)
{
	(void)bdev;
	(void)lba;
	(void)blocks;
	return NULL;
}

bool tl_bdev_no_abort(struct tl_bdev *bdev, struct tl_bdev_io *io)
{
	(void)bdev;
	(void)io;
	return false;
}

void tl_bdev_no_stop(struct tl_bdev *bdev)
{
	(void)bdev;
}
