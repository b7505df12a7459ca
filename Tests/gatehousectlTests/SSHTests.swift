import Testing

/// Nobody is to walk to the machine because of one command.
@Suite("Over SSH")
struct SSHTests {
    /// 127.0.0.1 is never filtered, and no other address is sure to be there: one that no interface holds.
    private let session = "198.51.100.9 50000 203.0.113.7 22"

    @Test("What would shut the session out is refused, with the command that helps")
    func refusal() throws {
        let home = try Home()
        for arguments in [("firewall", "enforce"), ("setup", "--lan=lo")] {
            let outcome = try home.ctl(arguments.0, arguments.1, ssh: session)
            #expect(outcome.status == 1, "\(outcome)")
            let remedy = "`gatehousectl firewall open ssh --tcp 22 --from 198.51.100.9`"
            #expect(outcome.errors.contains("from 198.51.100.9 to port 22"), "\(outcome)")
            #expect(outcome.errors.contains(remedy), "\(outcome)")
        }
        let flag = try home.ctl("setup", "--lan", "lo", "--allow-ssh", ssh: session)
        #expect(flag.errors.contains("--allow-ssh opens port 22 on lo only"), "\(flag)")
    }

    @Test(
        "An opening counts if it admits this very session",
        arguments: [
            (["--tcp", "22", "--from", "anywhere"], true), (["--tcp", "22"], false),
            (["--tcp", "22", "--from", "198.51.100.0/24"], true), (["--tcp", "2222"], false),
            (["--udp", "22"], false), (["--tcp", "22", "--from", "192.0.2.0/24"], false),
            (["--tcp", "22", "--interface", "lo"], false),
        ])
    func openings(options: [String], isEnough: Bool) throws {
        let home = try Home()
        let opened = try run(
            [Home.ctl, "--socket", home.socket, "firewall", "open", "door"] + options, environment: [:])
        #expect(opened.status == 0, "\(opened)")
        // The daemon itself refuses, because it was started to observe: its answer shows that the question got through.
        let outcome = try home.ctl("firewall", "enforce", ssh: session)
        #expect(outcome.errors.contains("--firewall observe") == isEnough, "\(outcome)")
        #expect(outcome.errors.contains("shut out") == !isEnough, "\(outcome)")
    }

    @Test("The session is found though sudo(8) took its variable away")
    func ancestors() throws {
        let home = try Home()
        let outcome = try run(
            ["sh", "-c", "env -u SSH_CONNECTION \(Home.ctl) --socket \(home.socket) firewall enforce; exit $?"],
            environment: ["SSH_CONNECTION": session])
        #expect(outcome.errors.contains("this SSH session, from 198.51.100.9"), "\(outcome)")
    }

    @Test("One over loopback is never shut out")
    func loopback() throws {
        let home = try Home()
        let outcome = try home.ctl("firewall", "enforce", ssh: "127.0.0.1 50000 127.0.0.1 22")
        #expect(!outcome.errors.contains("shut out"), "\(outcome)")
    }
}
