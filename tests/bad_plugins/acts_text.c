/* Marks a key that is no secret as one of acts only. */
#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) { return BATON_OK; }
static const baton_key keys[] = {
    {.name = "user_name", .type = BATON_KEY_TEXT, .flags = BATON_KEY_ACTS, .help = "Who."}};
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("acts_text"), .keys = keys, .key_count = 1,
                                                          .key_size = sizeof(baton_key), .probe = probe};
