/*
 * Where a capture lives while no process holds it: /sys/fs/bpf/seam/<hash of run_dir>/<app>/ (directories 0700, pins 0600).
 * The hash is of the text of run_dir (made absolute, slashes squeezed), so it is the same whether or not the folder exists.
 * The app's name is escaped: bpffs allows no dot.
 */
#pragma once
#include "base/attr.h"
#include "base/reason.h"

#define PINS_ROOT "/sys/fs/bpf"
#define PINS_PATH 512

/* Directory of one app. -ENAMETOOLONG. */
int pins_dir(const char *run_dir, const char *app, char out[PINS_PATH]) must_check;
/* Mount bpffs at PINS_ROOT unless it is there. */
int pins_mount(struct reason *why) must_check;
/* Make the directories of one app, mode 0700. */
int pins_make(const char *dir, struct reason *why) must_check;
/* Unlink all in `dir`, links before maps and connect hooks first; then the directories that are empty. No such directory: 0. */
int pins_unlink(const char *dir, unsigned *links, struct reason *why) must_check;
/* Names of the apps of run_dir that have pins. Returns how many, or negative errno; the callback gets each name. */
int pins_list(const char *run_dir, void (*tell)(void *arg, const char *app), void *arg) must_check;
