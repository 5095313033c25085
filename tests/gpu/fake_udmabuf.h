/* SPDX-License-Identifier: MIT */
/* What vu-gpu-shares takes for dma-bufs: see fake_udmabuf.c. */
#ifndef GPU_FAKE_UDMABUF_H
#define GPU_FAKE_UDMABUF_H

/* In the environment: an errno with which the kernel refuses each. */
#define FAKE_UDMABUF_FAILS "VU_GPU_UDMABUF_FAILS"

#endif
