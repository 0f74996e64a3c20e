/* The default is none of the words. */
#include "bad.h"
static int32_t probe(void* self, const baton_call* call, baton_result* result) { return BATON_OK; }
static const baton_key keys[] = {
    {.name = "method", .domain = "GET|HEAD", .type = BATON_KEY_WORD, .default_text = "POST", .help = "What to ask."}};
BATON_PLUGIN_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("bad_word"), .keys = keys, .key_count = 1,
                                                          .key_size = sizeof(baton_key), .probe = probe};
