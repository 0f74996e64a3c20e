/* Nothing wrong: what the others are compared with. Says what it sees of its surroundings. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bad.h"

extern char** environ;
static const baton_host* host;

static void number(const char* key, long value) {
  char text[32];
  snprintf(text, sizeof text, "%ld", value);
  host->fact(host->context, key, text);
}

static int32_t open_it(const baton_host* h, void** self) {
  host = h;
  *self = (void*)h;
  return BATON_OK;
}

static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  int variables = 0, files = 0;
  while (environ[variables] != NULL) ++variables;
  DIR* directory = opendir("/proc/self/fd");
  while (directory != NULL && readdir(directory) != NULL) ++files;
  if (directory != NULL) closedir(directory);
  number("uid", (long)geteuid());
  number("variables", variables);
  host->fact(host->context, "path", getenv("PATH"));
  number("no_new_privs", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  number("dumpable", prctl(PR_GET_DUMPABLE));
  number("group_leader", getpgrp() == getpid());
  errno = 0;
  number("mount", mount("none", "/mnt", "tmpfs", 0, NULL) == 0 ? 0 : errno);
  errno = 0;
  number("unshare", unshare(CLONE_NEWUSER) == 0 ? 0 : errno);
  int raw = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  number("raw_socket", raw >= 0);
  if (raw >= 0) close(raw);
  host->fact(host->context, "word", host->text(host->context, "word", 0));
  number("words", host->count(host->context, "word"));
  number("pause", (long)host->number(host->context, "pause"));
  host->say(host->context, "all is\nwell");
  result->state = BATON_STATE_PASS;
  result->role = BATON_ROLE_REPLICA;
  result->lag_ms = 12;
  return BATON_OK;
}

static int32_t enter(void* self, const baton_call* call, baton_result* result) {
  char text[256];
  snprintf(text, sizeof text, "%s of %s: %s to %s", call->verb, call->instance, call->from_state, call->to_state);
  host->say(host->context, text);
  result->generation = call->generation;
  return BATON_OK;
}

static void check_settings(const baton_host* h) {
  if (h->text(h->context, "word", 0)[0] == 'x') h->complain(h->context, "word", "must not begin with x");
}

static const baton_key keys[] = {
    {.name = "word", .type = BATON_KEY_TEXT, .flags = BATON_KEY_LIST, .help = "A word.", .default_text = "blue"},
    {.name = "pause",
     .type = BATON_KEY_DURATION,
     .help = "A time.",
     .default_text = "1.5s",
     .minimum = 1,
     .maximum = 5000000000},
};
BAD_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("good"),
                                                 .keys = keys,
                                                 .key_count = 2,
                                                 .key_size = sizeof(baton_key),
                                                 .needs = BATON_NEEDS_NET_RAW,
                                                 .check_settings = check_settings,
                                                 .open = open_it,
                                                 .probe = probe,
                                                 .enter = enter};
