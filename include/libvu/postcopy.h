/* SPDX-License-Identifier: MIT */
/*
 * Postcopy: a guest that runs on before all of its memory has come (vhost-user PAGEFAULT).
 *
 * Unstable, see unstable.h.
 */
#ifndef LIBVU_POSTCOPY_H
#define LIBVU_POSTCOPY_H

#include <libvu/types.h>

VU_BEGIN_DECLS

/**
 * vu_device_allow_postcopy() - let guests move to this device by postcopy migration.
 *
 * Offers VHOST_USER_PROTOCOL_F_PAGEFAULT.  While such a migration lasts, whoever touches guest
 * memory that has not come yet waits until the front-end has fetched it: callbacks, system calls
 * and the library, on any thread.  So a front-end can hold up the threads that serve its device,
 * for as long as it lives, and those of other devices that share them.  That is why it has to be
 * asked for; vu_program_main() does for --postcopy.  The main channel is not waited for meanwhile.
 *
 * Return: 0; -EBUSY while a front-end is attached; with a line in the log, -errno of
 * userfaultfd(2): it needs the right to handle the kernel's own faults, too, which root has
 * (CAP_SYS_PTRACE), and everybody where the sysctl vm.unprivileged_userfaultfd is 1. Thread: device
 * thread. Since: 0.1
 */
VU_API VU_CHECK int vu_device_allow_postcopy(struct vu_device *dev);

VU_END_DECLS

#endif
