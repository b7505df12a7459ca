import Policy
import Testing

@testable import Supervisor

@Suite("The command line of gatehoused")
struct OptionsTests {
    private func options(_ arguments: String...) throws -> Options {
        guard case .run(let options) = try Options.parse(arguments) else {
            throw Refusal("\(arguments) does not run the daemon")
        }
        return options
    }

    @Test("Without arguments it uses the places that the package made, and the policy's firewall mode")
    func defaults() throws {
        let options = try options()
        #expect(options.state == "/var/lib/gatehouse")
        #expect(options.socket == "/run/gatehouse/admin.sock")
        #expect(options.firewall == nil)
        #expect(options.user == nil)
    }

    @Test("A value may follow after a space or an equals sign")
    func values() throws {
        let options = try options(
            "--state", "/a", "--socket=/b=c", "--firewall", "off", "--user=eve", "--log-level", "debug", "--memory=2G")
        #expect(options.memory == 2 << 30)
        #expect(options.state == "/a")
        #expect(options.socket == "/b=c")
        #expect(options.firewall == .off)
        #expect(options.user == "eve")
        #expect(options.logLevel == "debug")
    }

    @Test(
        "What it cannot make sense of is refused, and named",
        arguments: [
            (["--firewall", "maybe"], "maybe"), (["--state"], "--state"), (["--log-level=loud"], "loud"),
            (["--memory", "63M"], "63M"), (["--memory=1T"], "1T"), (["--memory", "-1G"], "-1G"),
            (["--frobnicate"], "--frobnicate"), (["extra"], "extra"), ([""], "unknown"),
            // Took the next option for the value once.
            (["--state=", "--socket", "/b"], "--state="),
        ])
    func refusals(arguments: [String], named: String) {
        #expect {
            try Options.parse(arguments)
        } throws: {
            "\($0)".contains(named)
        }
    }

    @Test("--help and --version win over what follows them")
    func questions() throws {
        guard case .showUsage = try Options.parse(["--help", "--frobnicate"]) else { return #expect(Bool(false)) }
        guard case .showVersion = try Options.parse(["--version"]) else { return #expect(Bool(false)) }
    }

    @Test("A role is known by its title, and by nothing else")
    func titles() {
        for role in Role.all { #expect(Role(title: role.title) == role) }
        for title in ["gatehoused", "gatehoused: ", "gatehoused: supervisor", "socks5", "/usr/sbin/gatehoused"] {
            #expect(Role(title: title) == nil)
        }
    }
}
