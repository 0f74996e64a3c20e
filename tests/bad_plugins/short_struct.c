/* Its struct ends before open. */
#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) { return BATON_OK; }
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {.struct_size = offsetof(baton_plugin, open),
                                                          .name = "short_struct",
                                                          .version = "1",
                                                          .summary = "short",
                                                          .probe = probe};
