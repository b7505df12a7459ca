import Foundation
import Glibc
import Synchronization
import TestProcess
import Testing

/// A minimal Debian, booted with systemd in a container, between two hosts of its own:
///
///     LAN host ──── lan0 [appliance] wan0 ──── WAN host
///     10.77.0.2    10.77.0.1     ORIGIN.1      ORIGIN.2
///
/// The hosts are network namespaces. Nothing leads from any of the three to this machine or beyond.
struct Appliance {
    static let lanAddress = "10.77.0.1"
    static let lanHost = "10.77.0.2"
    static let wanAddress = "198.51.101.1"
    static let wanHost = "198.51.101.2"

    /// The files of the appliance, seen from outside.
    let tree: URL
    /// The appliance's init, by its id outside.
    private let leader: pid_t
    private let lan: String
    private let wan: String

    /// Boots one, hands it to `body`, and leaves nothing behind, whatever happens: a keeper process cleans up as soon as its
    /// standard input ends, which it also does when this process is killed.
    static func boot(package: URL, _ body: (Appliance) async throws -> Void) async throws {
        let tarball = try await BaseSystem.tarball(for: package)
        let name = "gh\(getpid())n\(counter.add(1, ordering: .relaxed).newValue)"
        let tree = FileManager.default.temporaryDirectory.appending(path: "gatehouse-appliance-\(name)")
        let keeper = ChildProcess()
        keeper.executableURL = URL(filePath: "/bin/sh")
        keeper.arguments = ["-c", keeping, "keeper", name, tree.path, tarball.path]
        keeper.environment = Command.environment
        let stdin = Pipe()
        let stdout = Pipe()
        keeper.standardInput = stdin
        keeper.standardOutput = stdout
        try keeper.run()
        defer {
            try? stdin.fileHandleForWriting.close()
            keeper.waitUntilExit()
        }
        let leader = try #require(
            try await firstLine(of: stdout.fileHandleForReading).flatMap { pid_t($0) },
            "the container did not boot; the keeper ended with its reason on standard error")
        let appliance = Appliance(tree: tree, leader: leader, lan: "\(name)-lan", wan: "\(name)-wan")
        try await appliance.connect()
        try FileManager.default.copyItem(at: package, to: tree.appending(path: "var/tmp/gatehouse.deb"))
        try await body(appliance)
    }

    private static let counter = Atomic(0)

    /// Makes the tree and the namespaces, boots, prints the leader's id, waits for the end of its input, removes it all.
    private static let keeping = """
        set -eu
        name=$1 tree=$2 tarball=$3 container= leader=
        clean() {
            # The container dies with its init, and systemd-nspawn then ends by itself, but not the other way round.
            [ -z "$leader$container" ] || kill -KILL ${leader:-$container} 2>/dev/null || true
            wait
            for side in lan wan; do
                ip netns pids "$name-$side" 2>/dev/null | xargs -r kill -KILL || true
                ip netns del "$name-$side" 2>/dev/null || true
            done
            rm -rf --one-file-system "$tree"
        }
        trap clean EXIT
        trap 'exit 1' INT TERM HUP
        mkdir -p "$tree"
        tar -C "$tree" -xf "$tarball"
        ip netns add "$name-lan"
        ip netns add "$name-wan"
        SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn --quiet --register=no --keep-unit --directory="$tree" \\
            --machine="$name" --private-network --boot </dev/null >"$tree.log" 2>&1 &
        container=$!
        while kill -0 "$container"; do
            leader=$(tr -d ' ' <"/proc/$container/task/$container/children")
            [ -n "$leader" ] && [ -S "/proc/$leader/root/run/systemd/private" ] && break
            sleep 0.05
        done
        [ -S "/proc/$leader/root/run/systemd/private" ] || { cat "$tree.log" >&2; exit 1; }
        rm -f "$tree.log"
        echo "$leader"
        cat >/dev/null
        """

    private static func firstLine(of handle: FileHandle) async throws -> String? {
        try await Command.blocking {
            var line = Data()
            while let byte = try handle.read(upToCount: 1), byte != Data([10]) {
                line += byte
            }
            return line.isEmpty ? nil : String(decoding: line, as: UTF8.self)
        }
    }

    private func connect() async throws {
        for (host, interface, address, peer) in [
            (lan, "lan0", Self.lanAddress, Self.lanHost), (wan, "wan0", Self.wanAddress, Self.wanHost),
        ] {
            try await Command.check([
                "ip", "link", "add", "up0", "netns", host, "type", "veth", "peer", "name", interface, "netns",
                "\(leader)",
            ])
            try await Command.check(["ip", "-n", host, "address", "add", "\(peer)/24", "dev", "up0"])
            for device in ["lo", "up0"] {
                try await Command.check(["ip", "-n", host, "link", "set", device, "up"])
            }
            try await check("ip address add \(address)/24 dev \(interface) && ip link set \(interface) up")
        }
        // "running" or "degraded": either way, booted.
        _ = try await run("systemctl is-system-running --wait")
    }

    /// Runs a shell line in the appliance, as root.
    func run(_ line: String, input: String = "") async throws -> Command {
        try await Command.run(entering + [line], input: input)
    }

    @discardableResult
    func check(_ line: String, input: String = "") async throws -> String {
        try await Command.check(entering + [line], input: input)
    }

    private var entering: [String] { ["nsenter", "--target", "\(leader)", "--all", "--", "sh", "-c"] }

    /// Runs a shell line on the LAN host.
    func onLAN(_ line: String) async throws -> Command {
        try await Command.run(["ip", "netns", "exec", lan, "sh", "-c", line])
    }

    /// Runs a shell line on the WAN host.
    func onWAN(_ line: String) async throws -> Command {
        try await Command.run(["ip", "netns", "exec", wan, "sh", "-c", line])
    }

    /// The TCP ports of `address` that nmap finds open, of all 65 535.
    ///
    /// - Parameter expected: ports that are looked at again, and at leisure, if the fast scan has missed them.
    func openPorts(of address: String, fromLAN: Bool, expecting expected: [Int] = []) async throws -> [Int] {
        let open = try await scan("-p- --min-rate 30000 --max-retries 1", address, fromLAN)
        let missed = expected.filter { !open.contains($0) }
        guard !missed.isEmpty else { return open }
        let ports = missed.map(String.init).joined(separator: ",")
        return (open + (try await scan("-p\(ports)", address, fromLAN))).sorted()
    }

    private func scan(_ options: String, _ address: String, _ fromLAN: Bool) async throws -> [Int] {
        let line = "nmap -n -Pn \(options) -oG - \(address)"
        let scan = fromLAN ? try await onLAN(line) : try await onWAN(line)
        try #require(scan.status == 0 && scan.output.contains("1 IP address (1 host up)"), "\(scan.output)")
        return scan.output.matches(of: /(\d+)\/open\//).compactMap { Int($0.1) }
    }
}
