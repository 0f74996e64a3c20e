"""What can go wrong with cables and switches, one method each; heal() undoes all of them.

Frames are dropped in the switch's forward hook, so that a capture on the bridge still sees what a host tried to send.
"""
from lib import proc

TABLE = "add table bridge faults\nadd chain bridge faults forward { type filter hook forward priority 0; policy accept; }\n"


class Faults:
    def __init__(self, lab):
        self.lab = lab

    def _nft(self, where, text, check=True):
        return self.lab.run(where, "nft", "-f", "-", text_input=text, check=check)

    def _drop(self, *rules):
        self._nft("switch", TABLE + "".join("add rule bridge faults forward %s\n" % rule for rule in rules))

    # ---- cables
    def unplug(self, host, link=0):
        """Pulls the cable: the host loses carrier."""
        self.lab.ip("switch", "link", "set", self.lab.port(host, link), "down")

    def plug(self, host, link=0):
        self.lab.ip("switch", "link", "set", self.lab.port(host, link), "up")

    # ---- the switch
    def cut(self, host, link=0):
        """The switch forwards nothing from or to the host; its carrier stays."""
        port = self.lab.port(host, link)
        self._drop('iifname "%s" drop' % port, 'oifname "%s" drop' % port)

    def cut_between(self, one, other, link=0):
        self.one_way(one, other, link)
        self.one_way(other, one, link)

    def one_way(self, sender, receiver, link=0):
        """What `sender` sends does not reach `receiver`."""
        self._drop('iifname "%s" oifname "%s" drop' % (self.lab.port(sender, link), self.lab.port(receiver, link)))

    def loss(self, percent, host=None, link=0):
        """Each frame from `host` (from all) is lost with this chance, for each receiver apart."""
        source = 'iifname "%s" ' % self.lab.port(host, link) if host else ""
        self._drop("%snumgen random mod 1000 < %d drop" % (source, round(percent * 10)))

    def block(self, match, host=None, link=0):
        """Drops what the nft expression `match` selects, e.g. 'ip protocol 112'; host: only what goes to it."""
        target = 'oifname "%s" ' % self.lab.port(host, link) if host else ""
        self._drop("%s%s drop" % (target, match))

    def duplicate(self, sender, receiver, times, link=0):
        """VRRP from `sender` reaches `receiver` `times` more often; receiver == sender reflects it."""
        port, target = self.lab.port(sender, link), self.lab.port(receiver, link)
        rules = "".join('add rule netdev copies %s ip protocol 112 dup to "%s"\n' % ("c_" + port.replace("-", "_"), target) for _ in range(times))
        self._nft("switch", "add table netdev copies\nadd chain netdev copies c_%s { type filter hook ingress device \"%s\" priority 0; }\n%s"
                  % (port.replace("-", "_"), port, rules))

    # ---- the host's own filter
    def filter_on(self, host, chain, match, verdict="drop"):
        """A rule in the host's own nftables: chain is input or output."""
        self._nft(host, "add table inet faults\nadd chain inet faults %s { type filter hook %s priority 0; }\nadd rule inet faults %s %s %s\n"
                  % (chain, chain, chain, match, verdict))

    def clear_filter(self, host):
        self._nft(host, "add table inet faults\ndelete table inet faults\n")

    def heal(self):
        """Every cable in, no rule in the switch."""
        self.lab.run("switch", "nft", "flush", "ruleset")
        for name in self.lab.everybody:
            for link in range(self.lab.links):
                self.lab.ip("switch", "link", "set", self.lab.port(name, link), "up", check=False)
