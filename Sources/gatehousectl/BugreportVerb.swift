import Admin
import ArgumentParser
import Glibc

struct BugreportVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bugreport", abstract: "Write all that is needed to find out what is wrong into one text file.",
        discussion: """
            Versions, this machine, doctor, status, the configuration, the firewall with its counters, what changed lately, the \
            journal of the last days, memory and limits. The file is made for a person to read before anybody is sent it, and \
            nothing sends it anywhere.

            No password, hash, private key or ticket is in it. Addresses of the internet and hardware addresses are replaced \
            by marks like <ipv4-1> and <mac-2>, the same by the same, unless --with-addresses keeps them. Names of devices and \
            users stay, and so do private addresses; where sessions went is not in it.

            It works while gatehoused is down, too, and then tells what could not be asked. Root sees most: `sudo \
            gatehousectl bugreport`.

            EXAMPLES:
              sudo gatehousectl bugreport
              sudo gatehousectl bugreport /tmp/gatehouse.txt
              sudo gatehousectl bugreport - | less
            """)

    @Argument(
        help: ArgumentHelp(
            "The file, which is not to be there yet; - is standard output. Default: gatehouse-DATE-TIME.txt here.",
            valueName: "file"), completion: .file())
    var file: String?

    @Flag(help: "Keep addresses as they are.")
    var withAddresses = false

    @OptionGroup(title: "Global options") var global: GlobalOptions

    private struct Section {
        let title: String
        /// It is the daemon that is asked.
        var asksDaemon = false
        let content: () -> Command.Outcome

        init(_ words: String...) {
            title = words.joined(separator: " ")
            content = { Command(words).run(within: 15, atMost: 1 << 20) }
        }

        init(own words: [String], _ global: GlobalOptions) {
            title = (["gatehousectl"] + words).joined(separator: " ")
            asksDaemon = true
            let command = Command(["/proc/self/exe"] + words + (global.socket.map { ["--socket", $0] } ?? []))
            content = { command.run(within: 20, atMost: 1 << 20) }
        }

        init(_ title: String, _ content: @escaping () -> String) {
            self.title = title
            self.content = { Command.Outcome(said: content(), fault: nil) }
        }
    }

    private var sections: [Section] {
        let own = [
            ["version"], ["doctor"], ["status"], ["zone", "list"], ["device", "list"], ["listener", "list"],
            ["tls", "show"], ["limit", "list"], ["blocklist", "list"], ["firewall", "list"], ["firewall", "show"],
            ["egress", "list"], ["ban", "list"],
            ["audit", "--all"], ["revision", "list"], ["what-changed", "--since", "1d"], ["export"],
            ["backup", "list"],
        ].map { Section(own: $0, global) }
        return [
            Section("this machine", MachineFacts.machine),
            Section("the processes of gatehoused", MachineFacts.processes),
        ] + own + [
            Section("systemctl", "status", "--no-pager", "--full", "--lines=0", "gatehouse.service"),
            Section("journalctl", "--no-pager", "--unit=gatehouse.service", "--lines=500", "--output=short-iso"),
            Section("nft", "list", "table", "inet", "gatehouse"),
            // Without the elements of sets, of which there may be a hundred thousand.
            Section("nft", "--terse", "list", "ruleset"),
            Section("ip", "address", "show"), Section("ip", "rule", "show"),
            Section("ip", "-4", "route", "show", "table", "all"),
            Section("ip", "-6", "route", "show", "table", "all"),
            Section("ls", "-lAn", "/var/lib/gatehouse", "/etc/gatehouse", "/run/gatehouse"),
        ]
    }

    func run() throws {
        let now = Int(time(nil))
        let path = file ?? "gatehouse-\(localTime(now).filter { $0 != ":" }.replacing(" ", with: "-")).txt"
        // Before anything is asked: it would be for nothing.
        let descriptor = path == "-" ? STDOUT_FILENO : try create(path)
        var report = ""
        var faults: [String] = []
        var isHanging = false
        let progress = ProgressLine(global)
        for (index, section) in sections.enumerated() {
            progress.show("\(index + 1) of \(sections.count): \(section.title)")
            // A daemon that hangs is not waited for again and again.
            let outcome =
                isHanging && section.asksDaemon
                ? Command.Outcome(said: "", fault: "not asked: gatehoused does not answer") : section.content()
            isHanging = isHanging || section.asksDaemon && outcome.isLate
            report += "\n=== \(section.title)\n\n\(outcome.said)"
            if !outcome.said.isEmpty, !outcome.said.hasSuffix("\n") { report += "\n" }
            if let fault = outcome.fault {
                report += "(\(fault))\n"
                if outcome.said.isEmpty || section.asksDaemon { faults.append(section.title) }
            }
        }
        progress.clear()
        report = SecretRemoval.cleaned(report)
        if !withAddresses { report = AddressMask.masked(report) }
        let text = head(at: now, faults) + report
        try write(text, to: descriptor, path)
        guard descriptor != STDOUT_FILENO else { return }
        close(descriptor)
        if global.json { return Output.standard.print(json: ["file": path]) }
        print(
            "\(printable(path)): \(humanBytes(text.utf8.count)). Read it before you send it to anybody; nothing was sent."
        )
        if !faults.isEmpty { warn("\(counted(faults.count, "question")) had no answer; the file says which and why") }
        if geteuid() != 0 { warn("root sees more: `sudo gatehousectl bugreport`") }
    }

    private func head(at now: Int, _ faults: [String]) -> String {
        """
        A report about a Gatehouse gateway, made by gatehousectl \(gatehouseVersion) at \(localTime(now)).
        Read it before you send it to anybody. Passwords, hashes and keys are not in it. Names of devices and users are.
        \(withAddresses
            ? "Addresses are as they are."
            : "Addresses of the internet and of cards are replaced: <ipv4-1>, <ipv6-1.2> (of the first /64 the second), <mac-1>.")
        \(faults.isEmpty ? "All questions had an answer." : "Without an answer, or with a bad one: \(faults.joined(separator: "; ")).")

        """
    }

    /// A new file that nobody else reads. One that is there may be somebody's, and a link may lead anywhere.
    private func create(_ path: String) throws -> Int32 {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw errno == EEXIST
                ? Failure("\(path) is there already; name another file")
                : Failure("\(path) cannot be written: \(String(cString: strerror(errno)))")
        }
        fchmod(descriptor, 0o600)
        return descriptor
    }

    private func write(_ text: String, to descriptor: Int32, _ path: String) throws {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Failure("\(path) cannot be written: \(String(cString: strerror(errno)))") }
            rest = rest.dropFirst(count)
        }
    }
}
