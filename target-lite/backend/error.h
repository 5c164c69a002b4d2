/*
 * A block device that fails, holds or corrupts I/O of another one on command. Management reactor.
 */
#ifndef TL_BACKEND_ERROR_H
#define TL_BACKEND_ERROR_H

#include "target-lite/backend/bdev.h"

enum tl_error_type {
	TL_ERROR_FAILURE,      /* Internal Error */
	TL_ERROR_NVME_FAILURE, /* a status of choice */
	TL_ERROR_PENDING,      /* held until resumed */
	TL_ERROR_CORRUPT_DATA, /* one byte of what is read or written */
	TL_ERROR_NOMEM,        /* tried again after a while */
	TL_ERROR_TYPES,
};
/* "failure", ...; NULL-terminated. */
extern const char *const tl_error_type_names[];

struct tl_error_opts {
	enum tl_error_type type;
	uint16_t status;         /* NVME_FAILURE: SCT << 8 | SC */
	uint32_t num;            /* I/Os; 0: none any more */
	uint64_t queue_depth;    /* only with so many below */
	uint64_t corrupt_offset; /* bytes */
	uint8_t corrupt_value;   /* XOR */
};

/* Its name is "EE_" and the base's (opts->name is not used). Errors as tl_delay_create. */
int tl_error_create(struct tl_bdevs *bdevs, const struct tl_stack_create_opts *opts,
		    struct tl_bdev **ret_bdev);
/* For I/Os of this kind from now on, instead of what was asked for before. */
void tl_error_inject(struct tl_bdev *bdev, enum tl_bdev_op op, const struct tl_error_opts *opts);
/* No further I/O is held; those that are go on. */
void tl_error_resume(struct tl_bdev *bdev);
extern const struct tl_bdev_ops tl_error_ops;

#endif
