// Bytes in the configuration: \r \n \t \0 \\ and \xNN in a text become what they mean. Pure.
#pragma once

#include <string>

namespace baton::tcp_check {

/// `error` says what is wrong with the text, else it is "".
std::string unescape(const std::string& text, std::string& error);

}  // namespace baton::tcp_check
