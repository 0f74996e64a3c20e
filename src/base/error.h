// Trouble that the system gave us: Result<T> carries either a value or an Error that says what, to whom and why.
#pragma once

#include <cstring>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace baton {

template <class T, class E>
using Expected = tl::expected<T, E>;
template <class E>
using Unexpected = tl::unexpected<E>;

/// "open VRRP socket" failed for "eth0" with EPERM. `sys_errno` 0 means no errno applies.
struct Error {
  std::string what;
  int sys_errno = 0;
  std::string subject;

  /// One line for people: "open VRRP socket: eth0: Operation not permitted".
  std::string message() const {
    std::string text = what;
    if (!subject.empty()) text += ": " + subject;
    if (sys_errno != 0) text += std::string(": ") + std::strerror(sys_errno);
    return text;
  }
};

template <class T>
using Result = Expected<T, Error>;

inline Unexpected<Error> fail(std::string what, int sys_errno = 0, std::string subject = {}) {
  return Unexpected<Error>{Error{std::move(what), sys_errno, std::move(subject)}};
}

}  // namespace baton
