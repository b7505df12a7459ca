import Address
import Foundation
import Glibc
import TestNetwork
import Testing

@testable import Machine

@Suite("dnsmasq's lease file")
struct LeaseFileTests {
    private func table(_ text: String) -> LeaseTable { LeaseTable(parsing: Array(text.utf8)) }

    @Test("A lease is a device, its address, its name and when it ends")
    func whole() throws {
        let table = table(
            """
            1764430000 52:54:00:12:34:56 192.168.10.40 Kitchen-Radio 01:52:54:00:12:34:56
            0 02:00:00:00:00:01 192.168.10.41 * *

            """)
        #expect(table.garbage == nil)
        #expect(
            table.leases == [
                Lease(
                    hardware: HardwareAddress("52:54:00:12:34:56")!, address: IPAddress("192.168.10.40")!,
                    hostname: "kitchen-radio", expiry: 1_764_430_000),
                Lease(hardware: HardwareAddress("02:00:00:00:00:01")!, address: IPAddress("192.168.10.41")!),
            ])
        #expect(table.leases[0].isValid(at: 1_764_429_999) && !table.leases[0].isValid(at: 1_764_430_000))
        #expect(table.leases[1].isValid(at: .max))
    }

    @Test("What is no lease is skipped and told, and the leases around it count")
    func garbage() throws {
        let table = table(
            """
            1764430000 52:54:00:12:34:56 192.168.10.40 tv *
            \u{1b}[31mrubbish
            99999999999999999999999 52:54:00:12:34:57 192.168.10.41 x *
            -1 52:54:00:12:34:57 192.168.10.41 x *
            1764430000 52:54:00:12:34 192.168.10.42 x *
            1764430000 52:54:00:12:34:58 192.168.10.300 x *
            1764430000 52:54:00:12:34:59 192.168.10.43 x
            1764430000 52:54:00:12:34:60 192.168.10.44 last *
            1764430000 52:54:00:12:34:61 192.168.1
            """)
        #expect(table.leases.map { "\($0.address)" } == ["192.168.10.40", "192.168.10.44"])
        #expect(table.garbage?.count == 7)
        #expect(table.garbage?.firstNumber == 2 && table.garbage?.firstText == "?[31mrubbish")
        #expect("\(table.garbage!)".contains("7 lines of the lease file make no sense and are skipped"))
    }

    @Test("A name that cannot be one in the DNS is none, and of one with a domain the first label counts")
    func hostnames() {
        for (name, expected) in [
            ("*", nil), ("-tv", nil), ("tv-", nil), ("t_v", nil), ("tv.home.arpa", "tv"), ("TV", "tv"), (".", nil),
            (String(repeating: "a", count: 64), nil), ("kühlschrank", nil), ("3", "3"),
        ] as [(String, String?)] {
            let table = table("1 52:54:00:12:34:56 192.168.10.40 \(name) *\n")
            #expect(table.leases.map(\.hostname) == [expected], "\(name)")
        }
    }

    @Test("An address that stands there twice is the later line's, and leases of DHCPv6 are passed over")
    func repeated() {
        let table = table(
            """
            1 52:54:00:12:34:56 192.168.10.40 a *
            2 52:54:00:12:34:57 192.168.10.40 b *
            duid 00:01:00:01:2f:00:00:00:52:54:00:12:34:00
            1764430000 1193046 fd00::40 c 00:01:00:01:2f:00:00:00:52:54:00:12:34:56

            """)
        #expect(table.leases.map(\.hostname) == ["b"] && table.garbage == nil)
    }

    @Test("Random bytes end nothing, and a file of a million lines is bounded")
    func hostile() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            _ = LeaseTable(parsing: (0..<2000).map { _ in UInt8.random(in: 0...255, using: &random) })
        }
        let lines = (0..<100_000).map { "1 52:54:00:12:34:56 10.\($0 >> 16).\($0 >> 8 & 255).\($0 & 255) * *\n" }
        let table = table(lines.joined())
        #expect(table.leases.count == LeaseTable.limit && table.garbage?.count == 100_000 - LeaseTable.limit)
    }

    @Test("A file is read once it rests, once for each change, and one that is gone has no leases")
    func followed() throws {
        let path = NSTemporaryDirectory() + "leases-\(UUID().uuidString)"
        defer { unlink(path) }
        var file = LeaseFile(path)
        #expect(file.readIfChanged() == nil, "there is none")
        func write(_ text: String, age: Int) throws {
            try text.write(toFile: path, atomically: false, encoding: .utf8)
            var times = [timespec](repeating: timespec(tv_sec: time(nil) - age, tv_nsec: 0), count: 2)
            #expect(utimensat(AT_FDCWD, path, &times, 0) == 0)
        }
        try write("1 52:54:00:12:34:56 192.168.10.40 a *\n", age: 10)
        #expect(file.readIfChanged()?.leases.map(\.hostname) == ["a"])
        #expect(file.readIfChanged() == nil, "it is as it was")
        try write("1 52:54:00:12:34:56 192.168.10.40 b *\n", age: 9)
        #expect(file.readIfChanged()?.leases.map(\.hostname) == ["b"])
        unlink(path)
        #expect(file.readIfChanged()?.leases.isEmpty == true)
        #expect(file.readIfChanged() == nil)
    }

    /// A whole file is never what a reader sees first while dnsmasq rewrites it: it is emptied, then filled in pieces.
    @Test("Half a file is not taken for the whole, however often it is rewritten meanwhile")
    func restless() throws {
        let path = NSTemporaryDirectory() + "leases-\(UUID().uuidString)"
        defer { unlink(path) }
        let whole = (0..<200).map { "1 52:54:00:12:34:56 192.168.10.\($0) host\($0) *\n" }.joined()
        try whole.write(toFile: path, atomically: false, encoding: .utf8)
        var file = LeaseFile(path)
        #expect(eventually { file.readIfChanged()?.leases.count == 200 })
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        defer { close(descriptor) }
        let bytes = Array(whole.utf8)
        for _ in 0..<100 {
            ftruncate(descriptor, 0)
            #expect(file.readIfChanged() == nil, "it is empty for a moment")
            pwrite(descriptor, bytes, 4096, 0)
            if let table = file.readIfChanged() { #expect(table.leases.count == 200) }
            _ = bytes[4096...].withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 4096) }
            if let table = file.readIfChanged() { #expect(table.leases.count == 200) }
        }
        var last: LeaseTable?
        #expect(
            eventually {
                if let table = file.readIfChanged() { last = table }
                return last?.leases.count == 200
            })
    }
}
