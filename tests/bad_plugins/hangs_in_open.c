/* Hangs in open. */
#include <unistd.h>

#include "bad.h"
static int32_t open_it(const baton_host* h, void** self) {
  while (1) pause();
}
static int32_t probe(void* self, const baton_call* call, baton_result* result) { return BATON_OK; }
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("hangs_in_open"), .open = open_it, .probe = probe,
                                                          .enter = probe};
