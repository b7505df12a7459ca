import Address
import Foundation
import Glibc
import Reactor
import TestProcess
import Testing

/// Where SwiftPM put the programs: beside the test bundle, which is the running program.
private let products = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()

private struct Failure: Error, CustomStringConvertible {
    let description: String
}

/// A real daemon with a store of its own, on loopback, its firewall observing.
private final class LiveDaemon {
    let directory = FileManager.default.temporaryDirectory.appending(path: "gatehouse-\(UUID().uuidString.prefix(8))")
    let process = ChildProcess()

    init(firewall: String = "off") throws {
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        process.executableURL = products.appending(path: "gatehoused")
        process.arguments = [
            "--state", directory.appending(path: "state").path, "--socket", directory.appending(path: "s").path,
            "--firewall", firewall,
        ]
        process.standardError = FileHandle.nullDevice
        try process.run()
        try until("the roles run") { try roles().values.allSatisfy { $0.state == "running" } && !roles().isEmpty }
    }

    deinit {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: directory)
    }

    func control(_ arguments: String...) throws -> (status: Int32, output: String) {
        try ChildProcess.run(
            [products.appending(path: "gatehousectl").path, "--socket", directory.appending(path: "s").path]
                + arguments)
    }

    /// By name.
    func roles() throws -> [String: (pid: pid_t, state: String)] {
        let status = try control("--json", "status")
        guard status.status == 0,
            let object = try JSONSerialization.jsonObject(with: Data(status.output.utf8)) as? [String: Any],
            let roles = object["roles"] as? [[String: Any]]
        else { return [:] }
        return Dictionary(
            uniqueKeysWithValues: roles.map {
                ($0["name"] as? String ?? "", ($0["pid"] as? pid_t ?? 0, $0["state"] as? String ?? ""))
            })
    }

    func until(_ what: String, _ condition: () throws -> Bool) throws {
        let end = ContinuousClock.now + .seconds(20)
        while try !condition() {
            guard .now < end else { throw Failure(description: "waited in vain until \(what)") }
            usleep(20_000)
        }
    }
}

@Suite("A daemon as a whole")
struct DaemonTests {
    private func freePort() throws -> UInt16 {
        try ListeningSocket.address(of: ListeningSocket.tcp(.v4(0x7f00_0001, port: 0))).port
    }

    /// What the kernel has to say of each thread of a process (proc(5)).
    private func threads(of pid: pid_t) throws -> [[String: String]] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task").map { thread in
            let text = try String(contentsOfFile: "/proc/\(pid)/task/\(thread)/status", encoding: .utf8)
            return Dictionary(
                text.split(separator: "\n").compactMap { line in
                    line.firstIndex(of: ":").map {
                        (String(line[..<$0]), line[line.index(after: $0)...].trimmingCharacters(in: .whitespaces))
                    }
                }, uniquingKeysWith: { first, _ in first })
        }
    }

    @Test("Every thread of every role is behind seccomp and no_new_privs, without capabilities but the firewall's one")
    func confinement() throws {
        let daemon = try LiveDaemon(firewall: "observe")
        let roles = try daemon.roles()
        #expect(Set(roles.keys) == ["names", "socks5", "http", "firewall"])
        for (name, role) in roles {
            let threads = try threads(of: role.pid)
            #expect(!threads.isEmpty)
            for thread in threads {
                #expect(thread["Seccomp"] == "2", "\(name)")
                #expect(thread["NoNewPrivs"] == "1", "\(name)")
                // CAP_NET_ADMIN is bit 12.
                let capabilities = try #require(thread["CapPrm"].flatMap { UInt64($0, radix: 16) })
                #expect(capabilities & ~(name == "firewall" ? 1 << 12 : 0) == 0, "\(name)")
                #expect(thread["CapAmb"] == "0000000000000000")
                if getuid() == 0 { #expect(thread["Uid"]?.hasPrefix("0\t") == false, "\(name) runs as root") }
            }
        }
    }

    // A socket that went from one relay to the other was thought to be with the first one still: it was not passed again, and
    // that endpoint could be no listener of that kind until the relay was restarted.
    @Test("Rollbacks move an endpoint from one relay to the other and back")
    func moving() throws {
        let daemon = try LiveDaemon()
        let endpoint = "127.0.0.1:\(try freePort())"
        for step in [["add", "socks5", endpoint], ["remove", endpoint], ["add", "http", endpoint]] {
            let result = try daemon.control("listener", step[0], step[1], step.count > 2 ? step[2] : "--json")
            try #require(result.status == 0, "\(step): \(result.output)")
        }
        for revision in ["2", "4", "2", "4", "2"] {
            let result = try daemon.control("revision", "rollback", revision)
            #expect(result.status == 0, "to \(revision): \(result.output)")
        }
        #expect(try daemon.control("listener", "list").output.contains("socks5"))
    }

    @Test("A role that is killed is back, as another process; SIGTERM ends all of them with status 0")
    func lives() throws {
        let daemon = try LiveDaemon()
        let victim = try #require(try daemon.roles()["socks5"]).pid
        kill(victim, SIGKILL)
        try daemon.until("socks5 is back") {
            try daemon.roles()["socks5"].map { $0.pid != victim && $0.state == "running" } ?? false
        }
        let roles = try daemon.roles().values.map(\.pid)
        kill(daemon.process.processIdentifier, SIGTERM)
        daemon.process.waitUntilExit()
        #expect(daemon.process.terminationStatus == 0)
        try daemon.until("the roles are gone") { roles.allSatisfy { kill($0, 0) < 0 } }
    }

    @Test("A second daemon on the same state is refused")
    func second() throws {
        let daemon = try LiveDaemon()
        let other = ChildProcess()
        let output = Pipe()
        other.executableURL = products.appending(path: "gatehoused")
        other.arguments = [
            "--state", daemon.directory.appending(path: "state").path, "--socket",
            daemon.directory.appending(path: "t").path, "--firewall", "off",
        ]
        other.standardError = output
        try other.run()
        other.waitUntilExit()
        #expect(other.terminationStatus == 1)
        #expect(!output.fileHandleForReading.availableData.isEmpty)
        #expect(try !daemon.roles().isEmpty, "the first one goes on")
    }
}
