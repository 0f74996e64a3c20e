/* Closes every descriptor, Baton's own among them, then hangs. */
#define _GNU_SOURCE
#include <unistd.h>

#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  close_range(3, ~0U, 0);
  while (1) pause();
}
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("closes_everything"), .probe = probe,
                                                          .enter = probe};
