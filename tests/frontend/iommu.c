/* SPDX-License-Identifier: MIT */
/* The IOMMU of a peer; see iommu.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/iommu.h"

int iommu_new(struct peer *peer, uint64_t iova_offset, struct iommu **out)
{
	const struct guest *guest = peer->guest;
	struct iommu *iommu = calloc(1, sizeof(*iommu));
	uint64_t end = 0;

	if (!iommu)
		return -ENOMEM;
	for (uint32_t i = 0; i < guest->n_regions; i++)
		if (guest->regions[i].gpa + guest->regions[i].size > end)
			end = guest->regions[i].gpa + guest->regions[i].size;
	iommu->peer = peer;
	iommu->offset = iova_offset;
	iommu->n = end / IOMMU_PAGE;
	iommu->pages = calloc(iommu->n, sizeof(*iommu->pages));
	if (!iommu->pages) {
		free(iommu);
		return -ENOMEM;
	}
	for (uint64_t i = 0; i < iommu->n; i++)
		if (guest_uva(guest, i * IOMMU_PAGE) != GUEST_NONE)
			iommu->pages[i] =
				(struct iommu_page){i * IOMMU_PAGE, IOMMU_READ | IOMMU_WRITE};
	for (uint32_t i = 0; i < peer->n_queues; i++)
		peer->queues[i]->iova_offset = iova_offset;
	*out = iommu;
	return 0;
}

void iommu_free(struct iommu *iommu)
{
	if (!iommu)
		return;
	free(iommu->pages);
	free(iommu);
}

/* The page of an address, or NULL. */
static struct iommu_page *iommu_page(const struct iommu *iommu, uint64_t iova)
{
	uint64_t index = (iova - iommu->offset) / IOMMU_PAGE;

	return iova >= iommu->offset && index < iommu->n ? &iommu->pages[index] : NULL;
}

int iommu_map(struct iommu *iommu, uint64_t iova, uint64_t gpa, uint8_t perm)
{
	struct iommu_page *page = iommu_page(iommu, iova);

	if (!page)
		return -EINVAL;
	*page = (struct iommu_page){gpa / IOMMU_PAGE * IOMMU_PAGE, perm};
	return 0;
}

/* It is always answered; QEMU asks for that all the same, and rte_vhost wants to be asked. */
int iommu_tell(struct iommu *iommu, const struct wire_iotlb *msg, uint64_t *ack)
{
	struct frontend *f = &iommu->peer->frontend;
	bool asks = f->need_reply && frontend_has(f, WIRE_PF_REPLY_ACK);
	struct frontend_msg reply;
	int ret = frontend_send(f, WIRE_IOTLB_MSG, asks ? WIRE_NEED_REPLY : 0, msg, sizeof(*msg),
				NULL, 0);

	if (ret == 0)
		ret = frontend_recv(f, &reply);
	if (ret < 0)
		return ret;
	frontend_msg_close_fds(&reply);
	if (reply.hdr.request != WIRE_IOTLB_MSG || reply.hdr.size != sizeof(*ack))
		return frontend_fail(f, -EPROTO, "IOTLB_MSG is answered by request %u, %u bytes",
				     reply.hdr.request, reply.hdr.size);
	memcpy(ack, reply.payload, sizeof(*ack));
	return 0;
}

static int iommu_tell_ok(struct iommu *iommu, const struct wire_iotlb *msg)
{
	uint64_t ack = 0;
	int ret = iommu_tell(iommu, msg, &ack);

	if (ret == 0 && ack)
		return frontend_fail(&iommu->peer->frontend, -EREMOTEIO,
				     "IOTLB_MSG for %#llx is refused",
				     (unsigned long long)msg->iova);
	return ret;
}

int iommu_update(struct iommu *iommu, uint64_t iova)
{
	const struct iommu_page *page = iommu_page(iommu, iova);
	const struct frontend *f = &iommu->peer->frontend;
	struct wire_iotlb msg = {
		.iova = iova / IOMMU_PAGE * IOMMU_PAGE,
		.size = IOMMU_PAGE,
		.type = WIRE_IOTLB_UPDATE,
	};

	if (!page || !page->perm)
		return -ENOENT;
	msg.perm = page->perm;
	msg.user_addr = frontend_has(f, WIRE_PF_GPA_ADDRESSES)
				? page->gpa
				: guest_uva(iommu->peer->guest, page->gpa);
	return iommu_tell_ok(iommu, &msg);
}

int iommu_invalidate(struct iommu *iommu, uint64_t iova, uint64_t size)
{
	const struct wire_iotlb msg = {
		.iova = iova,
		.size = size,
		.type = WIRE_IOTLB_INVALIDATE,
	};

	return iommu_tell_ok(iommu, &msg);
}

/* One miss. */
static int iommu_answer(struct iommu *iommu, const struct frontend_msg *msg)
{
	struct frontend *f = &iommu->peer->frontend;
	int ret;

	if (msg->hdr.request != WIRE_BACKEND_IOTLB_MSG || msg->hdr.size != sizeof(iommu->last))
		return frontend_fail(f, -EPROTO, "back-end request %u of %u bytes is no miss",
				     msg->hdr.request, msg->hdr.size);
	memcpy(&iommu->last, msg->payload, sizeof(iommu->last));
	if (iommu->last.type != WIRE_IOTLB_MISS)
		return frontend_fail(f, -EPROTO, "IOTLB_MSG of type %u is no miss",
				     iommu->last.type);
	iommu->asked++;
	if (iommu->is_silent)
		return 0;
	ret = iommu_update(iommu, iommu->last.iova);
	if (ret && ret != -ENOENT)
		return ret;
	iommu->refused += ret != 0;
	return frontend_answer_backend(f, msg, ret != 0);
}

int iommu_serve(struct iommu *iommu)
{
	struct frontend_msg msg;
	int n = 0;

	for (;; n++) {
		int ret = frontend_recv_backend(&iommu->peer->frontend, &msg, 0);

		if (ret == -EAGAIN)
			return n;
		if (ret == 0)
			ret = iommu_answer(iommu, &msg);
		if (ret < 0)
			return ret;
	}
}
