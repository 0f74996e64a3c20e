// The one table of diagnostic codes. The manual is made from it.
#include "config/codes.h"

#include <algorithm>
#include <array>

#include "base/check.h"

namespace baton::config {
namespace {

// In the order of enum Code.
constexpr auto kTable = std::to_array<CodeEntry>({
    {"E001", "file cannot be read",
     "The file, or a file in conf.d, could not be opened or read: it does not exist, its permissions forbid it, or "
     "its symbolic links lead in a circle. A drop-in that cannot be read is an error too, because what it would "
     "have changed is unknown."},
    {"E002", "not a regular file",
     "A directory, FIFO, socket or device stands where a configuration file is expected."},
    {"E003", "file too large", "A configuration file may have at most 8 MiB."},
    {"E004", "nothing configured",
     "There is no [instance NAME] in any of the files. An empty file is mostly one that was cut off while being "
     "written."},
    {"E005", "not plain text",
     "A line holds a NUL, a control character or bytes that are not UTF-8. Save the file as UTF-8."},
    {"E006", "byte order mark",
     "The file begins with a UTF-8 byte order mark, as some editors write it. Save it without."},
    {"E007", "Windows line ends", "Lines end in CR LF. Convert the file, for instance with: sed -i 's/\\r$//' FILE"},
    {"E008", "file ends inside a line",
     "The last line has no newline. A file that was cut off while being written looks like this, and a cut value "
     "may look valid (11 for 110)."},
    {"E009", "file changed while it was read",
     "Somebody wrote to the file during reading. Write to another name and rename it over."},
    {"E010", "line too long",
     "A line may have at most 197 bytes: the INI library would cut a longer one and take the rest for a new line. "
     "Repeat the key for lists, or put the long text into a file of its own."},
    {"E011", "indented line",
     "Keys and sections start in the first column. The INI library would take an indented line for a continuation "
     "of the one before. Only comments may be indented."},
    {"E012", "no `=`", "A line is neither `[section]` nor `key = value` nor a comment (# or ; at its start)."},
    {"E013", "colon instead of `=`",
     "Keys and values are separated by `=`; a colon would be taken for the separator too, and cut IPv6 addresses "
     "in two."},
    {"E014", "malformed key", "A key consists of a-z, 0-9, _ and -, optionally followed by @HOST."},
    {"E015", "comment behind a value",
     "A semicolon after a blank starts a comment for the INI library, so that the value would be cut there. "
     "Comments stand on lines of their own."},
    {"E016", "malformed section line", "A section line is `[type]` or `[type NAME]` and nothing else."},
    {"E017", "section name too long",
     "The text between the brackets may have at most 49 bytes; the INI library cuts longer ones, so that two "
     "sections would become one."},
    {"E018", "key before the first section", "Every key belongs to a section."},
    {"E019", "line read differently",
     "The INI library did not deliver this line as it is written. The line is refused rather than guessed at; "
     "write it in a simpler way."},
    {"E020", "unknown section", "Sections are [daemon], [instance NAME], [group NAME], [plugin NAME] and [peer HOST]."},
    {"E021", "bad section name",
     "Names have 1 to 32 characters of A-Z, a-z, 0-9, `_`, `.` and `-`. [daemon] has no name, all others must have "
     "one. An instance and a group may not share a name."},
    {"E022", "section twice in one file", "A section may continue in a file of conf.d, but not in the same file."},
    {"E023", "unknown key", "The section has no such key."},
    {"E024", "key given twice",
     "This key has one value. It may appear once, and once more for each host as key@HOST, in all files together."},
    {"E025", "unknown host", "key@HOST names a host that has no [peer HOST] section."},
    {"E026", "this host is not listed",
     "The name of this host (--host, else the short host name) has no [peer] section, so that all its key@HOST "
     "lines would be passed over silently."},
    {"E027", "key missing", "The section needs this key."},
    {"E028", "no value", "Only lists may be given an empty value, which empties them."},
    {"E029", "key belongs to the group",
     "Members of a group move together: election keys stand in [group NAME], not in its members."},
    {"E030", "bad value", "The value is not of the kind that the key takes."},
    {"E031", "value out of range", "The value is outside the range that the key takes."},
    {"E032", "unit missing", "Times carry a unit: us, ms, s, m, h or d. Only 0 needs none."},
    {"E033", "impossible advertisement interval",
     "VRRPv3 sends the interval in whole centiseconds, 10ms to 40.95s; VRRPv2 in whole seconds, 1s to 255s (RFC "
     "9568 section 5.2.7)."},
    {"E034", "address cannot be used here",
     "A multicast, loopback, unspecified, broadcast or network address cannot be a virtual or peer address."},
    {"E035", "listed twice", "The list holds this item already."},
    {"E040", "undefined name", "The value refers to a section that does not exist."},
    {"E041", "not available in this build",
     "The key is known but this build cannot do what it asks for. It is refused because ignoring it silently would "
     "be worse."},
    {"E042", "impossible group", "An instance may be in one group, and an owner in none."},
    {"E043", "unusable secret",
     "A secret is the content of a file: of at most 32 KiB, not empty, without NUL; a name instead of an absolute path "
     "is a systemd credential (LoadCredential=). A VRRPv2 password has 1 to 8 bytes, on the first and only line."},
    {"E044", "module cannot be used",
     "The module does not exist, or does not load, or may be changed by others than root, or says of itself what "
     "cannot be. `batonctl plugin list` shows the modules there are."},
    {"E045", "module lacks the verb",
     "A check asks the module to probe, follow_up to enter or leave, notify to notify, promote to promote, witness to "
     "acquire, fence to fence. `batonctl plugin help NAME` shows what a module can do."},
    {"E046", "module refuses the settings",
     "Each value alone is of the right kind, but the module itself has looked at them together and objects."},
    {"E047", "user cannot be used",
     "The user that the plugin runs as does not exist on this host, or is Baton's own. Probes run as baton-check, acts "
     "as baton-act or as "
     "the module's manual says, unless the section says `user = NAME`. baton-engine, baton-steward and baton-scribe "
     "are "
     "refused: a plugin with their rights could end or imitate Baton's own processes."},
    {"E050", "virtual router twice",
     "Two instances have the same virtual_router_id on one interface and address family: on the wire they would be "
     "one virtual router."},
    {"E051", "addresses do not fit",
     "An advert names at most 255 addresses and must fit the interface's MTU, since adverts are not fragmented. "
     "Put the others into extra_address: they are held and announced just the same."},
    {"E052", "link-local address not first",
     "The first IPv6 address of a virtual router is its link-local one (RFC 9568 section 5.2.9). Write it first, "
     "or leave it out: Baton then puts fe80::ba70:0:VRID first."},
    {"E053", "not in this VRRP version", "VRRPv2 knows IPv4 and a password, VRRPv3 the checksum forms."},
    {"E054", "contradiction to owner",
     "The owner holds its addresses permanently and sends priority 255: checks cannot take that from it."},
    {"E055", "unicast without a peer",
     "Unicast adverts need at least one unicast_peer of each address family that the instance has."},
    {"E056", "address belongs to a host",
     "A virtual address is the real address of a host. Only an owner has such addresses."},
    {"E057", "address in two instances", "A virtual address may be in one instance only."},
    {"E058", "too many",
     "A stated limit of this program: 4096 instances, 64 virtual routers in a group, 32 hosts, 16384 addresses in "
     "an instance, 256 plugin sections."},
    {"E059", "impossible source address",
     "Adverts are sent from an address of the interface: for IPv6 multicast its link-local address; at most one "
     "for each family."},
    {"E060", "no safe promotion",
     "`promote` needs a `grant` that says who alone may promote, and must not be set off by a priority: `grant = "
     "witness` (with `witness = NAME`), `peer`, `manual`, `follow`, or, written out, `unsafe`."},
    {"E061", "times in the wrong order",
     "Where a database is promoted, the old host must have stopped before another may start: address lifetime < "
     "watchdog_timeout < lease of the witness <= takeover_wait. These times are the other way round, so that the "
     "protection would be none."},
    {"E099", "more errors than shown", "Only the first 1000 errors are listed."},
    {"W001", "address outside every prefix",
     "No address of the interface has a prefix that holds this virtual address, so that clients on that network "
     "may not reach it. /32 and /128 say that this is meant."},
    {"W002", "equal priorities",
     "All hosts have the same priority; then the greater primary address decides, which is rarely what was meant. "
     "Give one host a greater priority with priority@HOST."},
    {"W003", "unicast without authentication",
     "Any host that can send from the peer's address can take or resign the addresses. Keep the path between the "
     "hosts private."},
    {"W004", "password in clear text",
     "A VRRPv2 password travels in clear text in every advert: it protects against mistakes, not against an "
     "attacker."},
    {"W005", "adverts from beyond the link",
     "min_ttl below 255 accepts adverts that were routed, and so from anywhere."},
    {"W006", "preempt_delay without preempt",
     "With preempt = no this host never preempts, so that preempt_delay does nothing."},
    {"W007", "setting ignored for the owner", "The owner always sends priority 255 and always preempts."},
    {"W008", "key without effect", "The key does nothing without the other one named in the message."},
    {"W009", "interface does not exist",
     "There is no such interface on this host now. The instance waits until it appears."},
    {"W010", "section not used", "The section is empty, or nothing refers to it."},
    {"W011", "secret readable by others", "The file of a secret may be read by others than its owner: chmod 600 it."},
    {"W013", "address is this host's own",
     "The interface has the virtual address already. Baton never touches an address that it did not add: remove it "
     "from the network configuration, or set owner = yes on the host that it belongs to."},
    {"W014", "secret not looked at",
     "systemd gives credentials to the daemon alone, so that whether this one is there was not tested."},
    {"W015", "weak grant",
     "VRRP alone decides who promotes. On a cut network both hosts are Active, both promote, and what is written to "
     "one "
     "of them is lost. Use `grant = witness` or `peer` with a fence."},
    {"W016", "times leave a gap",
     "The times of a promotion are not wrong but leave a gap, or one makes another useless. What each instance's "
     "protection guarantees and what it does not is shown by `batonctl check`."},
    {"W099", "more warnings than shown", "Only the first 1000 warnings are listed."},
});
static_assert(kTable.size() == static_cast<std::size_t>(Code::kTooManyWarnings) + 1);

}  // namespace

std::span<const CodeEntry> code_table() { return kTable; }

const CodeEntry* find_code(std::string_view code) {
  const auto* found =
      std::find_if(kTable.begin(), kTable.end(), [&](const CodeEntry& entry) { return entry.code == code; });
  return found == kTable.end() ? nullptr : found;
}

std::string_view code_text(Code code) {
  const auto index = static_cast<std::size_t>(code);
  CHECK(index < kTable.size());
  return kTable[index].code;
}

Severity code_severity(Code code) { return code_text(code).front() == 'W' ? Severity::kWarning : Severity::kError; }

}  // namespace baton::config
