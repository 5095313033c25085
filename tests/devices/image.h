/* SPDX-License-Identifier: MIT */
/* Disk images for tests: what a sector holds tells which one it is. */
#ifndef DEVICES_IMAGE_H
#define DEVICES_IMAGE_H

#include <stddef.h>
#include <stdint.h>

enum { IMAGE_SECTOR = 512 };

/* What each byte of a sector is; never 0. */
unsigned char image_byte(uint64_t sector);
/* The bytes from a sector on. */
void image_fill(unsigned char *data, uint64_t sector, size_t len);
/* A file of so many bytes, filled that way. */
void image_make(const char *path, size_t size);
/* What is in it. */
void image_read(const char *path, uint64_t offset, void *data, size_t len);

#endif
