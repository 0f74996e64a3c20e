/* All that there is, in one call. */
#include <stdlib.h>
#include <string.h>

#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  for (int i = 0; i < 4096; ++i) {
    char* more = malloc(1 << 20);
    if (more == NULL) return BATON_TRANSIENT;
    memset(more, 1, 1 << 20);
  }
  result->state = BATON_STATE_PASS;
  return BATON_OK;
}
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("eats_memory"), .probe = probe, .enter = probe};
