/* Declares a key twice. */
#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) { return BATON_OK; }
static const baton_key keys[] = {{.name = "path", .type = BATON_KEY_PATH, .help = "Where."},
                                 {.name = "path", .type = BATON_KEY_TEXT, .help = "Where else."}};
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("same_key"), .keys = keys, .key_count = 2,
                                                          .key_size = sizeof(baton_key), .probe = probe};
