import Foundation
import Glibc
import TestProcess
import Testing

@Suite("gatehousectl top")
struct TopTests {
    private static let enter = "\u{1b}[?1049h"
    private static let leave = "\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l"

    private func top(_ home: Home, _ arguments: String...) throws -> Terminal {
        try Terminal([Home.ctl, "top"] + arguments, environment: ["GATEHOUSE_SOCKET": home.socket])
    }

    @Test("Takes the whole screen, answers to keys, and gives the terminal back as it was")
    func keys() throws {
        let home = try Home()
        let terminal = try top(home)
        try terminal.wait(until: "No session is open.")
        #expect(terminal.screen.contains(Self.enter) && terminal.screen.contains("by rate"))
        #expect(!terminal.echoes)
        terminal.type("b")
        try terminal.wait(until: "by bytes")
        terminal.type("a")
        try terminal.wait(until: "by age")
        terminal.type("q")
        #expect(terminal.end() == 0)
        #expect(terminal.screen.hasSuffix(Self.leave) && terminal.echoes)
    }

    @Test("Interrupted or terminated it gives the terminal back as well", arguments: [SIGINT, SIGTERM, SIGHUP])
    func signals(number: Int32) throws {
        let home = try Home()
        let terminal = try top(home)
        try terminal.wait(until: "No session is open.")
        if number == SIGINT {
            terminal.type("\u{3}")
        } else {
            kill(try #require(try process(of: home)), number)
        }
        _ = terminal.end()
        #expect(terminal.screen.contains(Self.leave) && terminal.echoes)
    }

    @Test("Follows the terminal's size, and what does not fit is cut")
    func resize() throws {
        let home = try Home()
        let terminal = try top(home)
        try terminal.wait(until: "since it started")
        terminal.resize(columns: 12, rows: 2)
        let start = terminal.screen.count
        try terminal.wait(until: "\u{1b}[J", after: start)
        try terminal.wait(until: "\u{1b}[J", after: terminal.screen.count)
        let picture = terminal.screen.components(separatedBy: "\u{1b}[H").last ?? ""
        let lines = picture.replacing(#/\u{1b}\[[0-9;?]*[A-Za-z]/#, with: "").components(separatedBy: "\r\n")
        #expect(lines.count == 2 && lines.allSatisfy { $0.count <= 12 }, "\(lines)")
        terminal.type("q")
        #expect(terminal.end() == 0)
    }

    @Test("A daemon that goes away leaves a terminal that is usable, and the reason on it")
    func daemonGone() throws {
        let home = try Home()
        let terminal = try top(home)
        try terminal.wait(until: "No session is open.")
        home.stopDaemon()
        #expect(terminal.end() == 3)
        #expect(terminal.screen.contains(Self.leave) && terminal.echoes)
        #expect(terminal.screen.contains("Error:"))
    }

    @Test("Without a terminal it prints one picture")
    func once() throws {
        let home = try Home()
        let outcome = try home.ctl("top")
        #expect(outcome.status == 0 && outcome.output.contains("0 sessions"), "\(outcome)")
        #expect(!outcome.output.contains("\u{1b}"))
        #expect(try home.ctl("session", "list").output == "No session is open.\n")
        #expect(try home.json("session", "list")["total"] as? Int == 0)
    }

    /// The command itself, behind the programs that start it.
    private func process(of home: Home) throws -> pid_t? {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { pid_t($0) }.first { pid in
            let line = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") ?? Data()
            let environment = FileManager.default.contents(atPath: "/proc/\(pid)/environ") ?? Data()
            return String(decoding: line, as: UTF8.self).hasPrefix("\(Home.ctl)\0top\0")
                && String(decoding: environment, as: UTF8.self).contains(home.socket)
        }
    }
}
