/* Its struct ends after `probe`: what lies behind it in memory is not its own and must not be called. */
#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) {
  result->state = BATON_STATE_PASS;
  return BATON_OK;
}
static int32_t never(void* self, const baton_call* call, baton_result* result) { __builtin_trap(); }
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {.struct_size = offsetof(baton_plugin, position),
                                                          .name = "older_minor",
                                                          .version = "1",
                                                          .summary = "older",
                                                          .probe = probe,
                                                          .enter = never};
