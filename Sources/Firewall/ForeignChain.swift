internal import CNetfilter
internal import Glibc
package import Ruleset

/// A base chain in somebody else's table: it, too, is asked for every packet that passes its hook, and what it drops is
/// dropped, whatever ours says.
package struct ForeignChain: Hashable, Sendable {
    package enum Hook: UInt32, Sendable {
        case prerouting = 0
        case input = 1
        case forward = 2
        case output = 3
        case postrouting = 4
    }

    /// `ip`, `ip6` or `inet`.
    package var family: String
    package var table: String
    package var name: String
    package var hook: Hook
    /// It translates addresses.
    package var isNAT: Bool
    /// What becomes of the packets that its rules let fall through.
    package var end: End
    /// The program that makes such tables; nil: none that is known.
    package var program: String?

    package enum End: Sendable {
        case accept
        /// By the chain's policy.
        case drop
        /// By its last rule, which holds for every packet.
        case lastRuleDrops
    }

    /// The family's number (linux/netfilter.h).
    var number: CInt { familyNames.first { $0.value == family }.map { CInt($0.key) } ?? CInt(AF_UNSPEC) }

    /// The table as nft names it, and whose it is.
    package var title: String { "table \(family) \(table)" + (program.map { " (\($0))" } ?? "") }
}

extension ForeignChain {
    /// nil: it drops nothing but what its rules say.
    package var strict: StrictChain? {
        guard end != .accept, let hook = Ruleset.Hook(rawValue: hook.rawValue) else { return nil }
        let family: Match.Family? = family == "ip" ? .ipv4 : family == "ip6" ? .ipv6 : nil
        return StrictChain(name: "\(title), chain \(name)", hook: hook, family: family)
    }

    /// A sentence for each table that stands in our way, or for which ours stands in the way.
    package static func findings(_ chains: [ForeignChain]) -> [String] {
        var findings: [String] = []
        for chain in chains where chain.end != .accept {
            let way = chain.end == .drop ? "by policy" : "by its last rule"
            switch chain.hook {
            case .input:
                findings.append(
                    "\(chain.title), chain \(chain.name), drops input \(way): clients of listeners and openings may be cut "
                        + "there, whatever Gatehouse lets in")
            case .output:
                findings.append(
                    "\(chain.title), chain \(chain.name), drops output \(way): the proxies may not reach the internet")
            case .forward, .prerouting, .postrouting: break
            }
        }
        // One sentence a program: its tables for the two families say the same.
        var told: Set<String> = []
        for chain in chains where chain.hook == .forward || chain.isNAT {
            guard told.insert(chain.program ?? chain.title).inserted else { continue }
            let what = chain.isNAT ? "translates addresses" : "decides what is forwarded"
            findings.append(
                "\(chain.title) \(what): while the firewall is enforced, nothing passes through this machine but what Gatehouse lets pass"
            )
        }
        return findings
    }

    /// Whose table it is, by its name and those of its chains.
    static func program(family: String, table: String, chains: [String]) -> String? {
        let tables = [
            "firewalld": "firewalld", "lxd": "LXD", "incus": "Incus", "libvirt_network": "libvirt",
            "docker-bridges": "Docker", "netavark": "Podman", "f2b-table": "fail2ban", "crowdsec": "CrowdSec",
            "crowdsec6": "CrowdSec", "fw4": "OpenWrt",
        ]
        if let known = tables[table] { return known }
        let prefixes = [
            ("DOCKER", "Docker"), ("LIBVIRT_", "libvirt"), ("ufw-", "ufw"), ("ufw6-", "ufw"), ("NETAVARK", "Podman"),
            ("CNI-", "Podman or Kubernetes"), ("KUBE-", "Kubernetes"), ("ts-", "Tailscale"), ("f2b-", "fail2ban"),
        ]
        let known = prefixes.filter { prefix in chains.contains { $0.hasPrefix(prefix.0) } }.map(\.1)
        if !known.isEmpty { return known.joined(separator: ", ") }
        let isOfIPTables = ["filter", "nat", "mangle", "raw", "security"].contains(table)
        return isOfIPTables && family != "inet" ? "iptables" : nil
    }
}

extension Netlink {
    /// The base chains of everybody else's tables for IP that can stand in the way, by table.
    package mutating func foreignChains() throws(FirewallError) -> [ForeignChain] {
        struct Found {
            var family: UInt32
            var table: String
            var name: String
            var base: (hook: UInt32, kind: String, policy: UInt32)?
        }
        var found: [Found] = []
        _ = try dump(NFT_MSG_GETCHAIN, "read the chains", family: CInt(AF_UNSPEC)) { header in
            guard let object = nftnl_chain_alloc() else { return }
            defer { nftnl_chain_free(object) }
            guard nftnl_chain_nlmsg_parse(header, object) == 0,
                let table = text(nftnl_chain_get_str(object, UInt16(NFTNL_CHAIN_TABLE.rawValue))),
                let name = text(nftnl_chain_get_str(object, UInt16(NFTNL_CHAIN_NAME.rawValue)))
            else { return }
            func number(_ attribute: nftnl_chain_attr) -> UInt32 {
                nftnl_chain_get_u32(object, UInt16(attribute.rawValue))
            }
            let family = number(NFTNL_CHAIN_FAMILY)
            guard familyNames[family] != nil, family != CNETFILTER_FAMILY_INET || table != Ruleset.table else { return }
            let isBase = nftnl_chain_is_set(object, UInt16(NFTNL_CHAIN_HOOKNUM.rawValue))
            let kind = text(nftnl_chain_get_str(object, UInt16(NFTNL_CHAIN_TYPE.rawValue))) ?? ""
            found.append(
                Found(
                    family: family, table: table, name: name,
                    base: isBase ? (number(NFTNL_CHAIN_HOOKNUM), kind, number(NFTNL_CHAIN_POLICY)) : nil))
        }
        var chains: [ForeignChain] = []
        for chain in found {
            guard let base = chain.base, let hook = ForeignChain.Hook(rawValue: base.hook),
                let family = familyNames[chain.family]
            else { continue }
            let siblings = found.filter { $0.family == chain.family && $0.table == chain.table }
            let rules = try readEnd(of: chain.name, in: chain.table, family: CInt(chain.family))
            let isNAT = base.kind == "nat"
            // An empty chain that accepts is nothing to anybody.
            if rules.count == 0 && base.policy != 0 { continue }
            chains.append(
                ForeignChain(
                    family: family, table: chain.table, name: chain.name, hook: hook, isNAT: isNAT,
                    end: rules.endDrops ? .lastRuleDrops : base.policy == 0 ? .drop : .accept,
                    program: ForeignChain.program(
                        family: family, table: chain.table, chains: siblings.map(\.name))))
        }
        return chains
    }

    /// How many rules there are, and whether the last one drops or rejects whatever comes to it.
    private mutating func readEnd(
        of chain: String, in table: String, family: CInt
    ) throws(FirewallError) -> (count: Int, endDrops: Bool) {
        var (count, endDrops) = (0, false)
        let place = [(UInt16(NFTA_RULE_TABLE.rawValue), table), (UInt16(NFTA_RULE_CHAIN.rawValue), chain)]
        _ = try dump(NFT_MSG_GETRULE, "read the rules", family: family, attributes: place) { header in
            guard let object = nftnl_rule_alloc() else { return }
            defer { nftnl_rule_free(object) }
            guard nftnl_rule_nlmsg_parse(header, object) == 0,
                text(nftnl_rule_get_str(object, UInt16(NFTNL_RULE_CHAIN.rawValue))) == chain
            else { return }
            count += 1
            endDrops = dropsEverything(object)
        }
        return (count, endDrops)
    }
}

/// NFPROTO_INET, NFPROTO_IPV4 and NFPROTO_IPV6 (linux/netfilter.h): the families that see what comes to us.
private let familyNames: [UInt32: String] = [1: "inet", 2: "ip", 10: "ip6"]

/// Nothing is asked, perhaps something is counted or logged, and then the packet is dropped or rejected.
private func dropsEverything(_ rule: OpaquePointer) -> Bool {
    guard let iterator = nftnl_expr_iter_create(rule) else { return false }
    defer { nftnl_expr_iter_destroy(iterator) }
    var drops = false
    while let expression = nftnl_expr_iter_next(iterator) {
        switch text(nftnl_expr_get_str(expression, UInt16(NFTNL_EXPR_NAME))) {
        case "counter", "log": break
        case "reject": drops = true
        case "immediate": drops = nftnl_expr_get_u32(expression, UInt16(NFTNL_EXPR_IMM_VERDICT)) == 0
        case "target":
            drops = ["REJECT", "DROP"].contains(text(nftnl_expr_get_str(expression, UInt16(NFTNL_EXPR_TG_NAME))))
        default: return false
        }
    }
    return drops
}
