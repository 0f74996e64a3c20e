// Throws across the interface: something with words from probe, something without from enter.
#include <stdexcept>

#include "bad.h"
namespace {
int32_t probe(void*, const baton_call*, baton_result*) { throw std::runtime_error("out of cheese"); }
int32_t enter(void*, const baton_call*, baton_result*) { throw 42; }
}  // namespace
BAD_EXPORT const baton_plugin baton_plugin_v1 = {BAD_HEAD("throws"), .probe = probe, .enter = enter};
