/*
 * Failing allocations: see alloc_fail.h. The linker routes malloc and its kin here (--wrap).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/alloc_fail.h"
#include "tests/unit/nvh_cunit.h"

#define WALK_MAX 100000

static __thread uint64_t countdown;
static __thread bool did_fail;
static __thread int64_t live;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void __real_free(void *ptr);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
int __wrap_posix_memalign(void **ret_ptr, size_t align, size_t size);
void __wrap_free(void *ptr);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t max);
int __wrap_vasprintf(char **ret_text, const char *fmt, va_list args);
int __wrap_asprintf(char **ret_text, const char *fmt, ...);

static bool alloc_fails(void)
{
	if (countdown == 0 || --countdown > 0)
		return false;
	did_fail = true;
	errno = ENOMEM;
	return true;
}

static void *alloc_count(void *ptr)
{
	live += ptr != NULL;
	return ptr;
}

void *__wrap_malloc(size_t size)
{
	return alloc_fails() ? NULL : alloc_count(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
	return alloc_fails() ? NULL : alloc_count(__real_calloc(count, size));
}

void *__wrap_realloc(void *old, size_t size)
{
	void *ptr;

	if (alloc_fails())
		return NULL;
	ptr = __real_realloc(old, size);
	live += ptr && !old;
	return ptr;
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return alloc_fails() ? NULL : alloc_count(__real_aligned_alloc(align, size));
}

int __wrap_posix_memalign(void **ret_ptr, size_t align, size_t size)
{
	void *ptr = __wrap_aligned_alloc(align, (size + align - 1) / align * align);

	if (!ptr)
		return ENOMEM;
	*ret_ptr = ptr;
	return 0;
}

void __wrap_free(void *ptr)
{
	live -= ptr != NULL;
	__real_free(ptr);
}

char *__wrap_strndup(const char *text, size_t max)
{
	size_t len = strnlen(text, max);
	char *copy = __wrap_malloc(len + 1);

	if (copy) {
		memcpy(copy, text, len);
		copy[len] = '\0';
	}
	return copy;
}

char *__wrap_strdup(const char *text)
{
	return __wrap_strndup(text, strlen(text));
}

int __wrap_vasprintf(char **ret_text, const char *fmt, va_list args)
{
	va_list again;
	char *text;
	int len;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0)
		return -1;
	text = __wrap_malloc((size_t)len + 1);
	if (!text)
		return -1;
	vsnprintf(text, (size_t)len + 1, fmt, args);
	*ret_text = text;
	return len;
}

int __wrap_asprintf(char **ret_text, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = __wrap_vasprintf(ret_text, fmt, args);
	va_end(args);
	return len;
}

/* ---- the tests' side --------------------------------------------------------------------- */

void nvh_alloc_fail_at(uint64_t nth)
{
	countdown = nth;
	did_fail = false;
}

bool nvh_alloc_did_fail(void)
{
	return did_fail;
}

int64_t nvh_alloc_live(void)
{
	return live;
}

uint64_t nvh_alloc_walk(int (*fn)(void *arg), void *arg, bool may_survive)
{
	uint64_t nth;

	for (nth = 1; nth < WALK_MAX; nth++) {
		int64_t before = live;
		bool failed;
		int err;

		nvh_alloc_fail_at(nth);
		err = fn(arg);
		failed = did_fail;
		nvh_alloc_fail_at(0);
		if (live > before) {
			printf("    failure %llu leaks %lld\n", (unsigned long long)nth,
			       (long long)(live - before));
			CU_FAIL("an allocation failure leaks");
		}
		if (!failed) {
			CU_ASSERT_EQUAL(err, 0);
			return nth - 1;
		}
		if (err != -ENOMEM && !(err == 0 && may_survive)) {
			printf("    failure %llu: %d\n", (unsigned long long)nth, err);
			CU_FAIL("an allocation failure is not reported as -ENOMEM");
		}
	}
	CU_FAIL("the walk does not end");
	return nth;
}
