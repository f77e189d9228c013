/*
 * Preloaded, it gives a process the kernel's DMA heaps where there are none, as in most containers: libcamera and
 * picamera2 take their buffers from them. A heap is /dev/null, and a buffer taken from it is a memfd, which can be
 * shared and mapped just so.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *real_path(const char *path)
{
    return strncmp(path, "/dev/dma_heap/", strlen("/dev/dma_heap/")) == 0 ? "/dev/null" : path;
}

static int take_buffer(struct dma_heap_allocation_data *wanted)
{
    int buffer = memfd_create("dma-buf", MFD_CLOEXEC);

    if (buffer < 0)
        return -1;
    if (ftruncate(buffer, wanted->len) < 0) {
        close(buffer);
        return -1;
    }
    wanted->fd = buffer;
    return 0;
}

int open(const char *path, int flags, ...)
{
    int (*next)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    va_list rest;

    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return next(real_path(path), flags, mode);
}

int open64(const char *path, int flags, ...)
{
    int (*next)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
    va_list rest;

    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return next(real_path(path), flags, mode);
}

int ioctl(int file, unsigned long request, ...)
{
    int (*next)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
    va_list rest;

    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    switch (request) {
    case DMA_HEAP_IOCTL_ALLOC:
        return take_buffer(argument);
    case DMA_BUF_IOCTL_SYNC:
    case DMA_BUF_SET_NAME_A:
    case DMA_BUF_SET_NAME_B:
        return 0; /* memory of the CPU is in step with itself, and needs no name */
    default:
        return next(file, request, argument);
    }
}
