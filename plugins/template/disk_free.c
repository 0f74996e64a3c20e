/* SPDX-License-Identifier: MIT
 * disk_free: a check in C99. Fails when a file system has less room than a limit. */
#include <baton/plugin.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

static int32_t open_check(const baton_host* host, void** self) {
  *self = (void*)host; /* good until close */
  return BATON_OK;
}

static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  const baton_host* host = self;
  const char* path = host->text(host->context, "path", 0);
  const int64_t least = host->number(host->context, "least_percent");
  char sentence[256];
  struct statvfs about;
  (void)call; /* statvfs cannot be given a deadline: whoever hangs is killed, and the result is `timeout` */
  if (statvfs(path, &about) != 0) {
    snprintf(sentence, sizeof sentence, "cannot look at %s: %s", path, strerror(errno));
    host->say(host->context, sentence);
    return BATON_TRANSIENT; /* the state stays unknown */
  }
  const int64_t percent =
      about.f_blocks == 0 ? 100 : (int64_t)(100.0 * (double)about.f_bavail / (double)about.f_blocks);
  snprintf(sentence, sizeof sentence, "%s has %lld %% free, %lld %% are needed", path, (long long)percent,
           (long long)least);
  host->say(host->context, sentence);
  snprintf(sentence, sizeof sentence, "%lld", (long long)percent);
  host->fact(host->context, "free_percent", sentence);
  result->state = percent >= least ? BATON_STATE_PASS : BATON_STATE_FAIL;
  return BATON_OK;
}

static const baton_key keys[] = {
    {.name = "path", .type = BATON_KEY_PATH, .flags = BATON_KEY_REQUIRED, .help = "Any path on the file system."},
    {.name = "least_percent",
     .type = BATON_KEY_INTEGER,
     .default_text = "5",
     .minimum = 1,
     .maximum = 100,
     .help = "Below this it fails."},
};

BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {
    .struct_size = sizeof(baton_plugin),
    .abi_minor = BATON_PLUGIN_ABI_MINOR,
    .name = "disk_free",
    .version = "1.0",
    .summary = "Is there room on a file system?",
    .manual =
        "Passes while the file system that holds `path` has at least `least_percent` per cent free for ordinary users.",
    .keys = keys,
    .key_count = sizeof keys / sizeof keys[0],
    .key_size = sizeof(baton_key),
    .open = open_check,
    .probe = probe,
};
