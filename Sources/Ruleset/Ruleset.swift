// Ruleset: from what the operator wants to the table that the kernel is to hold.
//
// A pure function of the policy and the machine's surroundings, and reads like the text that `nft` prints. It must never do
// I/O and knows no netlink, so that every program may ask what the kernel would do.

/// The table `inet gatehouse` as a value. Printed, it is a file that `nft -f` loads, and what `nft -s list table inet
/// gatehouse` shows once the kernel holds it.
package struct Ruleset: Hashable, Sendable {
    package static let table = "gatehouse"

    package var chains: [Chain]

    package init(chains: [Chain]) {
        self.chains = chains
    }

    /// A base chain: the kernel runs it for every packet that passes its hook.
    package struct Chain: Hashable, Sendable {
        package var name: String
        package var hook: Hook
        /// What becomes of a packet that no rule decided on.
        package var policy: Verdict
        package var rules: [Rule]

        package init(name: String, hook: Hook, policy: Verdict, rules: [Rule] = []) {
            self.name = name
            self.hook = hook
            self.policy = policy
            self.rules = rules
        }
    }

    /// With the numbers of `enum nf_inet_hooks` (linux/netfilter.h).
    package enum Hook: UInt32, Hashable, Sendable {
        case input = 1
        case forward = 2
    }

    /// With the numbers of NF_DROP and NF_ACCEPT (linux/netfilter.h).
    package enum Verdict: UInt32, Hashable, Sendable {
        case drop = 0
        case accept = 1
    }

    /// The verdict holds for packets that meet all of `matches`.
    package struct Rule: Hashable, Sendable {
        package var matches: [Match]
        /// Whether the kernel counts the packets that matched.
        package var isCounted: Bool
        package var verdict: Verdict
        /// What the rule is for; `nft list` shows it. At most 127 bytes reach the kernel.
        package var comment: String?

        package init(_ matches: [Match], isCounted: Bool = false, _ verdict: Verdict, comment: String? = nil) {
            self.matches = matches
            self.isCounted = isCounted
            self.verdict = verdict
            self.comment = comment.map(printable)
        }
    }
}

/// nft's notation has no escape for a quotation mark, so a comment has none; and it ends at 127 bytes, where nft refuses a
/// longer one (NFTNL_UDATA_COMMENT_MAXLEN counts the NUL).
private func printable(_ comment: String) -> String {
    var text = ""
    for scalar in comment.unicodeScalars {
        let shown: Unicode.Scalar =
            switch scalar {
            case "\"": "'"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f: " "
            default: scalar
            }
        guard text.utf8.count + UTF8.width(shown) <= 127 else { break }
        text.unicodeScalars.append(shown)
    }
    return text
}

extension Ruleset: CustomStringConvertible {
    package var description: String {
        "table inet \(Self.table) {\n" + chains.map(\.description).joined(separator: "\n") + "}\n"
    }
}

extension Ruleset.Chain: CustomStringConvertible {
    package var description: String {
        var lines = "\tchain \(name) {\n\t\ttype filter hook \(hook) priority filter; policy \(policy);\n"
        for rule in rules { lines += "\t\t\(rule)\n" }
        return lines + "\t}\n"
    }
}

extension Ruleset.Rule: CustomStringConvertible {
    package var description: String {
        var words = matches.map(\.description)
        if isCounted { words.append("counter") }
        words.append("\(verdict)")
        if let comment { words.append("comment \"\(comment)\"") }
        return words.joined(separator: " ")
    }
}
