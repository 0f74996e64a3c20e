/* The default of a duration is none. */
#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) { return BATON_OK; }
static const baton_key keys[] = {
    {.name = "pause", .type = BATON_KEY_DURATION, .default_text = "nonsense", .help = "How long to wait."}};
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("bad_default"), .keys = keys, .key_count = 1,
                                                          .key_size = sizeof(baton_key), .probe = probe};
