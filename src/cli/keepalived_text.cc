#include "cli/keepalived_text.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

namespace baton::cli::keepalived {
namespace {

constexpr std::size_t kMaxLine = 64u << 10;        // after `$NAME` texts were put in
constexpr std::size_t kMaxSubstitutions = 10'000;  // of one line: texts that name each other double each time

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f'; }
bool is_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view first_word(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size() && !is_blank(text[end])) ++end;
  return text.substr(0, end);
}

/// Without what follows an unquoted `#` or `!`.
std::string_view without_comment(std::string_view line) {
  char quote = '\0';
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '\\') {
      ++i;
    } else if (quote != '\0') {
      if (c == quote) quote = '\0';
    } else if (c == '"') {
      quote = c;
    } else if (c == '#' || c == '!') {
      return line.substr(0, i);
    }
  }
  return line;
}

bool is_include(std::string_view word) {
  return word == "include" || (word.size() == 8 && word.starts_with("include") && std::strchr("rmwba", word[7]));
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

struct Line {
  Place place;
  std::string text;
};

/// Files to lines: includes put in, comments taken off, `@id` lines chosen, `$NAME` texts put in.
class LineReader {
 public:
  LineReader(std::string id, const Files& files, bool all_ids) : id_(std::move(id)), files_(files), all_(all_ids) {}

  bool read(const std::string& path, const Place& from, std::size_t depth) {
    if (depth > kMaxNesting) return fail(from, "files include each other more than 16 deep");
    if (parsed_.files.size() >= kMaxFiles) return fail(from, "more than 256 files");
    auto text = files_.read(path);
    if (!text) {
      const std::string reason = std::strerror(errno);
      // The file that was asked for stands before the message already.
      return fail(from, (from.line == 0 ? "cannot be read: " : "cannot read " + path + ": ") + reason);
    }
    if (text->size() > kMaxFile) return fail({path, 0}, "the file is larger than 1 MiB");
    parsed_.files.push_back(path);
    std::uint32_t number = 0;
    for (std::size_t begin = 0; begin < text->size();) {
      const std::size_t end = std::min(text->find('\n', begin), text->size());
      ++number;
      if (!take(std::string_view{*text}.substr(begin, end - begin), {path, number}, depth)) return false;
      begin = end + 1;
    }
    if (definition_) return fail(definition_place_, "the text of $" + *definition_ + " ends with the file");
    return true;
  }

  std::vector<Line> lines;
  Ids ids;
  SyntaxError error;
  Parsed& parsed() { return parsed_; }

 private:
  bool fail(const Place& place, std::string message) {
    error = {place, std::move(message)};
    return false;
  }

  bool take(std::string_view raw, const Place& place, std::size_t depth) {
    if (raw.find('\0') != std::string_view::npos) return fail(place, "a NUL byte: this is no text");
    std::string_view text = trimmed(without_comment(raw));
    if (definition_) return continue_definition(text);
    if (text.empty()) return true;
    if (is_include(first_word(text))) return include(trimmed(text.substr(first_word(text).size())), place, depth);
    substitutions_ = 0;
    return emit(text, place, 0);
  }

  bool include(std::string_view pattern, const Place& place, std::size_t depth) {
    std::string path{pattern};
    std::erase(path, '"');
    if (path.empty()) return fail(place, "include: no file is named");
    if (path.front() != '/') path = directory_of(place.file) + "/" + path;
    const std::vector<std::string> found = files_.match(path);
    if (found.empty()) {
      parsed_.passed_over.push_back({place, "include " + std::string{pattern}, "there is no such file"});
      return true;
    }
    return std::all_of(found.begin(), found.end(),
                       [&](const std::string& file) { return read(file, place, depth + 1); });
  }

  /// One line that may begin with `@id`, and may define or name texts.
  bool emit(std::string_view text, const Place& place, std::size_t depth) {
    if (depth > kMaxNesting) return fail(place, "a $NAME names itself");
    while (!text.empty() && text.front() == '@') {
      if (!is_chosen(first_word(text))) return true;
      text = trimmed(text.substr(first_word(text).size()));
    }
    if (text.empty()) return true;
    if (text.starts_with("~SEQ") || text.starts_with("~LST")) {
      parsed_.passed_over.push_back({place, std::string{text}, "sequence blocks are not read: write the lines out"});
      return true;
    }
    if (define(text, place)) return true;
    std::string replaced;
    bool any = false;
    if (!substitute(text, place, replaced, any)) return false;
    if (any) return emit_lines(replaced, place, depth + 1);
    if (lines.size() >= kMaxLines) return fail(place, "more than 100000 lines");
    lines.push_back({place, std::string{text}});
    return true;
  }

  bool emit_lines(const std::string& text, const Place& place, std::size_t depth) {
    for (std::size_t begin = 0; begin <= text.size();) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      const std::string_view line = trimmed(std::string_view{text}.substr(begin, end - begin));
      if (!line.empty() && !emit(line, place, depth)) return false;
      begin = end + 1;
    }
    return true;
  }

  bool is_chosen(std::string_view word) {
    word.remove_prefix(1);
    const bool negative = word.starts_with('^');
    if (negative) word.remove_prefix(1);
    if (all_) ids.all.insert(std::string{word});
    ids.any_negative = ids.any_negative || negative;
    return all_ || (word == id_) != negative;
  }

  /// `$NAME=text`; with a backslash at the end the next lines belong to it.
  bool define(std::string_view text, const Place& place) {
    if (text.front() != '$') return false;
    std::size_t end = 1;
    while (end < text.size() && is_name(text[end])) ++end;
    if (end == 1 || end == text.size() || text[end] != '=') return false;
    const std::string name{text.substr(1, end - 1)};
    std::string_view value = trimmed(text.substr(end + 1));
    texts_[name].clear();
    if (value.ends_with('\\')) {
      value.remove_suffix(1);
      definition_ = name;
      definition_place_ = place;
    }
    texts_[name] = std::string{trimmed(value)};
    return true;
  }

  bool continue_definition(std::string_view text) {
    std::string& value = texts_[*definition_];
    const bool goes_on = text.ends_with('\\');
    if (goes_on) text.remove_suffix(1);
    value += "\n" + std::string{trimmed(text)};
    if (value.size() > kMaxLine) return fail(definition_place_, "the text of $" + *definition_ + " is too long");
    if (!goes_on) definition_.reset();
    return true;
  }

  /// The text of the `$NAME` that `text` begins with and how long that is; nullopt if it is none.
  std::optional<std::pair<std::string, std::size_t>> reference(std::string_view text, const Place& place) const {
    const bool braced = text.size() > 1 && text[1] == '{';
    const std::size_t begin = braced ? 2 : 1;
    std::size_t end = begin;
    while (end < text.size() && is_name(text[end])) ++end;
    if (end == begin || (braced && (end == text.size() || text[end] != '}'))) return std::nullopt;
    if (!braced && end < text.size() && !is_blank(text[end])) return std::nullopt;
    const std::string name{text.substr(begin, end - begin)};
    const std::size_t length = end + (braced ? 1 : 0);
    if (name == "_PWD") return std::pair{directory_of(place.file), length};
    if (name == "_INSTANCE") return std::pair{id_, length};
    const auto found = texts_.find(name);
    if (found == texts_.end()) return std::nullopt;
    return std::pair{found->second, length};
  }

  bool substitute(std::string_view text, const Place& place, std::string& out, bool& any) {
    for (std::size_t i = 0; i < text.size();) {
      const auto found = text[i] == '$' ? reference(text.substr(i), place) : std::nullopt;
      if (found) {
        if (++substitutions_ > kMaxSubstitutions) return fail(place, "a $NAME names itself");
        out += found->first;
        i += found->second;
        any = true;
      } else {
        out += text[i++];
      }
      if (out.size() > kMaxLine) return fail(place, "the line becomes too long");
    }
    return true;
  }

  std::string id_;
  const Files& files_;
  bool all_ = false;  ///< every `@id` line counts, and the ids are collected
  Parsed parsed_;
  std::map<std::string, std::string> texts_;
  std::optional<std::string> definition_;  ///< the text that the next line goes on with
  Place definition_place_;
  std::size_t substitutions_ = 0;
};

struct Token {
  enum class Kind : std::uint8_t { kWord, kOpen, kClose } kind = Kind::kWord;
  std::string text;
};

/// A line's words and braces.
class Tokenizer {
 public:
  explicit Tokenizer(std::string_view text) : text_(text) {}

  /// "" or what is wrong.
  std::string run(std::vector<Token>& out) {
    while (true) {
      while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
      if (at_ == text_.size()) return {};
      if (text_[at_] == '{' || text_[at_] == '}') {
        out.push_back({text_[at_] == '{' ? Token::Kind::kOpen : Token::Kind::kClose, std::string(1, text_[at_])});
        ++at_;
        continue;
      }
      Token token;
      if (!word(token.text)) return "a quote is not closed";
      out.push_back(std::move(token));
    }
  }

 private:
  /// Up to a blank or a brace that stands alone; `${` and `a{b` are no blocks.
  bool word(std::string& out) {
    char quote = '\0';
    bool in_name = false;  // between `${` and `}`
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      const bool is_open = c == '{' && !out.ends_with('$');
      if (quote == '\0' && (is_blank(c) || is_open || (c == '}' && !in_name))) break;
      in_name = (in_name || c == '{') && c != '}';
      if (c == '\\' && at_ + 1 < text_.size() && (quote == '"' || quote == '\0')) {
        escape(text_[++at_], out);
      } else if (c == quote) {
        quote = '\0';
      } else if (quote == '\0' && c == '"') {
        quote = c;
      } else {
        out += c;
      }
    }
    return quote == '\0';
  }

  static void escape(char c, std::string& out) {
    static constexpr std::string_view kFrom = "nt", kTo = "\n\t";
    const std::size_t known = kFrom.find(c);
    out += known == std::string_view::npos ? c : kTo[known];
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

/// Lines to statements. A `{` may stand on the line after its keyword.
class BlockReader {
 public:
  bool run(const std::vector<Line>& lines, std::vector<Statement>& out) {
    stack_.push_back(&out);
    for (const Line& line : lines) {
      if (!take(line)) return false;
    }
    if (stack_.size() == 1) return true;
    error = {opened_.back(), "the block that begins here is not closed"};
    return false;
  }

  SyntaxError error;

 private:
  bool take(const Line& line) {
    std::vector<Token> tokens;
    if (const std::string wrong = Tokenizer{line.text}.run(tokens); !wrong.empty()) return fail(line.place, wrong);
    bool in_statement = false;
    for (Token& token : tokens) {
      if (token.kind == Token::Kind::kOpen) {
        if (!open(line.place)) return false;
        in_statement = false;
      } else if (token.kind == Token::Kind::kClose) {
        if (stack_.size() == 1) return fail(line.place, "a `}` without a block");
        stack_.pop_back();
        opened_.pop_back();
        in_statement = false;
      } else if (in_statement) {
        stack_.back()->back().words.push_back(std::move(token.text));
      } else {
        stack_.back()->push_back({line.place, {std::move(token.text)}, {}, false});
        in_statement = true;
      }
    }
    return true;
  }

  bool open(const Place& place) {
    std::vector<Statement>& list = *stack_.back();
    if (list.empty() || list.back().has_block) return fail(place, "a `{` without a keyword before it");
    if (stack_.size() > kMaxNesting) return fail(place, "blocks are nested more than 16 deep");
    Statement& owner = list.back();
    owner.has_block = true;
    opened_.push_back(owner.place);
    stack_.push_back(&owner.block);
    return true;
  }

  bool fail(const Place& place, std::string message) {
    error = {place, std::move(message)};
    return false;
  }

  /// Each is the list of the last statement of the one before, which does not grow meanwhile.
  std::vector<std::vector<Statement>*> stack_;
  std::vector<Place> opened_;
};

}  // namespace

Expected<Parsed, SyntaxError> parse(const std::string& path, const std::string& id, const Files& files) {
  LineReader reader{id, files, /*all_ids=*/false};
  if (!reader.read(path, {path, 0}, 0)) return Unexpected<SyntaxError>{reader.error};
  Parsed parsed = std::move(reader.parsed());
  BlockReader blocks;
  if (!blocks.run(reader.lines, parsed.statements)) return Unexpected<SyntaxError>{blocks.error};
  return parsed;
}

Expected<Ids, SyntaxError> ids_of(const std::string& path, const Files& files) {
  LineReader reader{"", files, /*all_ids=*/true};
  if (!reader.read(path, {path, 0}, 0)) return Unexpected<SyntaxError>{reader.error};
  return reader.ids;
}

std::string text_of(const Place& place) {
  return place.line == 0 ? place.file : place.file + ":" + std::to_string(place.line);
}

}  // namespace baton::cli::keepalived
