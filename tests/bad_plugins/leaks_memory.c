/* 20 MiB each time. */
#include <stdlib.h>
#include <string.h>

#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  void* volatile lost = malloc(20 << 20);
  if (lost != NULL) memset(lost, 1, 20 << 20);
  result->state = BATON_STATE_PASS;
  return BATON_OK;
}
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("leaks_memory"), .probe = probe, .enter = probe};
