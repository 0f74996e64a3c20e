/* A plugin for tests: does what its keys say, and tells what kind of process it runs in. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "plugin.h"

static const char* text(const baton_host* host, const char* key) {
  const char* value = host->text(host->context, key, 0);
  return value == NULL ? "" : value;
}

static void status_line(const char* name, char* to, size_t size) {
  FILE* file = fopen("/proc/self/status", "r");
  char line[256];
  snprintf(to, size, "?");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    const size_t length = strlen(name);
    if (strncmp(line, name, length) != 0 || line[length] != ':') continue;
    line[strcspn(line, "\n")] = 0;
    snprintf(to, size, "%s", line + length + 2);
  }
  if (file != NULL) fclose(file);
}

static int open_files(void) {
  DIR* directory = opendir("/proc/self/fd");
  int count = 0;
  while (directory != NULL && readdir(directory) != NULL) ++count;
  if (directory != NULL) closedir(directory);
  return count - 3; /* ".", ".." and the directory itself */
}

static void check_settings(const baton_host* host) {
  char capabilities[64], message[200];
  if (strcmp(text(host, "mode"), "confess") == 0) {
    status_line("CapPrm", capabilities, sizeof capabilities);
    snprintf(message, sizeof message, "uid=%d CapPrm=%s no_new_privs=%d secret=%zu", (int)getuid(), capabilities,
             prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), strlen(text(host, "token")));
    host->complain(host->context, "mode", message);
  }
  if (strcmp(text(host, "mode"), "hang-in-check") == 0) {
    for (;;) pause();
  }
  if (strcmp(text(host, "mode"), "crash-in-check") == 0) abort();
}

static int32_t open_mirror(const baton_host* host, void** self) {
  *self = (void*)host;
  return BATON_OK;
}

static void ticket(const baton_host* host) {
  char value[32];
  snprintf(value, sizeof value, "%u of %zu", host->count(host->context, "ticket"), strlen(text(host, "ticket")));
  host->fact(host->context, "ticket", value);
}

static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  const baton_host* host = self;
  const char* mode = text(host, "mode");
  char value[96];
  (void)call;
  snprintf(value, sizeof value, "%d", (int)getuid());
  host->fact(host->context, "uid", value);
  status_line("CapEff", value, sizeof value);
  host->fact(host->context, "capabilities", value);
  snprintf(value, sizeof value, "%zu", strlen(text(host, "token")));
  host->fact(host->context, "secret_length", value);
  ticket(host);
  snprintf(value, sizeof value, "%d", open_files());
  host->fact(host->context, "open_files", value);
  if (strcmp(mode, "hang") == 0) {
    for (;;) pause();
  }
  if (strcmp(mode, "crash") == 0) abort();
  if (strcmp(mode, "transient") == 0) {
    host->say(host->context, "not now");
    return BATON_TRANSIENT;
  }
  host->say(host->context, "the mirror shows you");
  result->state = strcmp(mode, "fail") == 0 ? BATON_STATE_FAIL : BATON_STATE_PASS;
  result->role = BATON_ROLE_REPLICA;
  result->lag_ms = 7;
  return BATON_OK;
}

static int32_t enter(void* self, const baton_call* call, baton_result* result) {
  const baton_host* host = self;
  char value[96];
  (void)call, (void)result;
  snprintf(value, sizeof value, "%d", (int)getuid());
  host->fact(host->context, "uid", value);
  ticket(host);
  host->say(host->context, "entered");
  return BATON_OK;
}

static const baton_key keys[] = {
    {.name = "mode", .type = BATON_KEY_WORD, .domain = "pass|fail|transient|hang|crash|confess|hang-in-check|crash-in-check",
     .default_text = "pass", .help = "What it does."},
    {.name = "token", .type = BATON_KEY_SECRET, .help = "A secret."},
    {.name = "ticket", .type = BATON_KEY_SECRET, .flags = BATON_KEY_ACTS, .help = "A secret of acts."},
    {.name = "count", .type = BATON_KEY_INTEGER, .minimum = 1, .maximum = 9, .help = "A number."},
};

BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {
    .struct_size = sizeof(baton_plugin), .abi_minor = BATON_PLUGIN_ABI_MINOR, .name = "mirror", .version = "0.9",
    .summary = "Shows who looks into it", .manual = "A manual of one line.", .keys = keys,
    .key_count = sizeof keys / sizeof keys[0], .key_size = sizeof(baton_key), .check_settings = check_settings,
    .open = open_mirror, .probe = probe, .enter = enter,
};
