/* SPDX-License-Identifier: MIT */
/* Folders for a test's files.  Each is gone at the end, also where the test failed. */
#ifndef KIT_FOLDER_H
#define KIT_FOLDER_H

enum { FOLDER_PATH = 32 };

/* A new one in /tmp; what: what its name begins with, at most 16 letters.  Fails the test. */
void folder_make(char path[FOLDER_PATH], const char *what);
/* A teardown of cmocka's, for a state that begins with its folder: both are gone. */
int folder_teardown(void **state);

/* The rest is for programs that have no cmocka, too. */

/* Where files are quickest: /dev/shm, or /tmp where that is not there, not ours to write, or full.
 */
const char *folder_quick(void);

/* A new one anywhere; 0 or -errno. */
int folder_new(char path[FOLDER_PATH], const char *where, const char *what);
/* It must be empty: 0, or -1 and a line that says what is wrong; it goes all the same. */
int folder_remove(const char *path);
/* Remove it with all that is in it, of whatever rights: 0, or -1 and a line. */
int folder_clear(const char *path);
/* That is done when this process ends, however it ends.  0 or -errno. */
int folder_guard(const char *path);

#endif
