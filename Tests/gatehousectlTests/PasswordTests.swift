import TestProcess
import Testing

@Suite("A password on its way in")
struct PasswordTests {
    @Test("Is asked for twice, never shown, and the terminal echoes again afterwards")
    func prompt() throws {
        let home = try Home()
        let terminal = try Terminal([Home.ctl, "user", "add", "alice"], environment: ["GATEHOUSE_SOCKET": home.socket])
        try terminal.wait(for: "Password for alice: ")
        #expect(!terminal.echoes)
        // A slip of the finger: the whole character goes, not one byte of it.
        terminal.type("topsecretü\u{7f}\r")
        try terminal.wait(for: "The same again: ")
        terminal.type("topsecret\r")
        #expect(terminal.end() == 0, "\(terminal.screen)")
        #expect(terminal.screen.contains("+ user alice"))
        #expect(!terminal.screen.contains("secret"))
        #expect(terminal.echoes)
        #expect(try home.ctl("user", "list").output == "NAME\nalice\n")
    }

    @Test(
        "Typed differently the second time, or interrupted, changes nothing", arguments: ["other\r", "\u{3}", "\u{4}"])
    func difference(keys: String) throws {
        let home = try Home()
        let terminal = try Terminal([Home.ctl, "user", "add", "alice"], environment: ["GATEHOUSE_SOCKET": home.socket])
        try terminal.wait(for: "Password for alice: ")
        terminal.type("topsecret\r")
        try terminal.wait(for: "The same again: ")
        terminal.type(keys)
        #expect(terminal.end() == 1, "\(terminal.screen)")
        #expect(terminal.screen.contains("nothing was changed") && terminal.echoes)
        #expect(try home.ctl("user", "list").output.contains("No user yet"))
    }

    @Test("Is not asked for in vain")
    func vain() throws {
        let home = try Home()
        #expect(try home.ctl("user", "add", "alice", "--password-stdin", input: "secret of 8 characters\n").status == 0)
        let again = try home.ctl("user", "add", "alice")
        #expect(again.status == 1 && again.errors.contains("user passwd alice"), "\(again)")
        let nobody = try home.ctl("user", "passwd", "bob")
        #expect(nobody.status == 1 && nobody.errors.contains("no user bob"), "\(nobody)")
    }

    @Test(
        "From standard input it has one line of 1 to 255 bytes",
        arguments: [
            ("", "empty"), ("\n", "empty"), ("sécret7\n", "7 characters, and 8 are the least"), ("x\n", "`--weak`"),
            ("a\nb\n", "second line"), (String(repeating: "x", count: 256), "255"),
        ])
    func standardInput(input: String, reason: String) throws {
        let home = try Home()
        let outcome = try home.ctl("user", "add", "alice", "--password-stdin", input: input)
        #expect(outcome.status == 1 && outcome.errors.contains(reason), "\(outcome)")
        #expect(try home.ctl("user", "add", "alice", "--password-stdin", input: "with a blank\r\n").status == 0)
        #expect(try home.ctl("user", "passwd", "alice", "--password-stdin", "--weak", input: "x\n").status == 0)
    }
}
