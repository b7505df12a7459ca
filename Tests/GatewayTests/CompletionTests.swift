import Foundation
import TestNetwork
import Testing

/// As bash asks: the script that gatehousectl prints is read, the line is given, and what would be offered is printed.
@Suite("What a shell offers after a verb", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct CompletionTests {
    /// - Parameter words: of the line, the last of which is begun only.
    private func offered(_ home: Home, _ words: [String]) throws -> Set<String> {
        let script = """
            PATH="$1:$PATH"; shift
            eval "$(gatehousectl --generate-completion-script bash)"
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*"
            COMP_POINT=${#COMP_LINE}
            function=$(complete -p gatehousectl | sed 's/.*-F \\([^ ]*\\).*/\\1/')
            $function gatehousectl "${@: -1}" "${@: -2:1}"
            printf '%s\\n' "${COMPREPLY[@]}"
            """
        let outcome = try home.gateway.attempt(["bash", "-c", script, "-", home.directory, "gatehousectl"] + words)
        guard outcome.status == 0 else { throw Failure("\(outcome)") }
        let output = outcome.output
        return Set(output.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) })
    }

    @Test("is what there is: devices, users, rules, lists, bans, exits and all else that a verb takes by its name")
    func everything() throws {
        let home = try Home.ready()
        let program = home.directory + "/gatehousectl"
        let text = "#!/bin/sh\nexec \(programs)gatehousectl --socket \(home.socket) \"$@\"\n"
        try text.write(toFile: program, atomically: true, encoding: .utf8)
        try home.gateway.run("chmod", "+x", program)
        let lines = [
            "rule add deny --port 25", "rule add deny --port 26", "firewall open door --tcp 8080 --from home",
            "ban add 203.0.112.99 --for 1h",
            "ban add 2001:db9:1::/64 --for 1h", "ban spare 198.51.100.0/24", "ban spare 2001:db9:2::/48",
            "egress allow chat --user root --tcp 6667", "egress allow time --user root --udp 123",
            "zone add guest --interface guest0",
        ]
        for line in lines { try home.ctl(line.split(separator: " ").map(String.init)) }
        try home.ctl("user", "add", "anna", "--password-stdin", input: "a long secret\n")
        try home.ctl("blocklist", "add", "ads", "-", input: "ads.example\n")
        let list = try home.ctl("device", "list")
        let device = try #require(list.firstMatch(of: #/[0-9a-f]{2}(:[0-9a-f]{2}){5}/#)?.output.0)
        try home.ctl("device", "name", String(device), "tv")
        try home.ctl("device", "address", "tv", "192.168.77.10")
        try home.ctl("forward", "add", "lamp", "tcp", "8443", "to", "tv:443")
        try home.ctl("name", "trust", "nas.example")
        let created = try home.ctl("backup", "create")
        let backup = try String(#require(created.firstMatch(of: #/[^ \/]+\.backup/#)).output)

        let all: [(words: String, offered: Set<String>)] = try [
            ("ban remove ", ["203.0.112.99", "2001:db9:1::/64"]),
            ("ban unspare ", ["198.51.100.0/24", "2001:db9:2::/48"]),
            ("ban se", ["set"]), ("egress remove ", ["chat", "time"]), ("egress remove c", ["chat"]),
            ("rule remove ", ["1", "2"]), ("user remove ", ["anna"]), ("blocklist remove ", ["ads"]),
            ("device pause ", ["tv"]), ("firewall close ", ["door"]), ("forward remove ", ["lamp"]),
            ("listener remove ", ["192.168.77.1:1080", "192.168.77.1:3128"]), ("name distrust ", ["nas.example"]),
            ("zone remove ", ["home", "internet", "guest"]), ("backup restore manual", [backup]), ("why ", ["tv"]),
            ("revision show 1", Set((1...home.revisionNumber()).map(String.init).filter { $0.hasPrefix("1") })),
        ]
        for (words, offered) in all {
            let found = try self.offered(
                home, words.split(separator: " ", omittingEmptySubsequences: false).map(String.init))
            #expect(found == offered, "\(words)")
        }
    }
}
