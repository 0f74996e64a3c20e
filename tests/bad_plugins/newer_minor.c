/* A later minor version: the struct and its keys have grown at their ends. */
#include "bad.h"
typedef struct {
  baton_key now;
  const char* later;
  uint64_t more;
} newer_key;
typedef struct {
  baton_plugin now;
  void (*later)(void);
  void* more[4];
} newer_plugin;
static const baton_host* host;
static int32_t open_it(const baton_host* h, void** self) {
  host = h;
  return BATON_OK;
}
static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  host->say(host->context, host->text(host->context, "second", 0));
  result->state = BATON_STATE_PASS;
  return BATON_OK;
}
static const newer_key keys[] = {{{.name = "first", .help = "One."}, "later"},
                                 {{.name = "second", .help = "Two.", .default_text = "from the future"}, "later"}};
__attribute__((visibility("default")))
const newer_plugin newer __asm__("baton_plugin_v1") = {.now = {.struct_size = sizeof(newer_plugin),
                                                               .abi_minor = 7,
                                                               .name = "newer_minor",
                                                               .version = "1",
                                                               .summary = "newer",
                                                               .keys = (const baton_key*)keys,
                                                               .key_count = 2,
                                                               .key_size = sizeof(newer_key),
                                                               .open = open_it,
                                                               .probe = probe}};
