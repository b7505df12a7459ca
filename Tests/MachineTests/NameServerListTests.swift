import Address
import Foundation
import Glibc
import Machine
import Testing

@Suite struct NameServerListTests {
    private func parse(_ text: String) -> NameServerList { NameServerList(parsing: Array(text.utf8)) }

    @Test func `Servers, search domains and options are read as the C library reads them`() {
        let list = parse(
            """
            # made by somebody
            ; nameserver 192.0.2.9
            nameserver 192.0.2.1
            nameserver\t2001:db8::53  # the second
            domain old.example
            search Home.Example. lan
             options
            options ndots:2 timeout:3 attempts:4 rotate edns0 unknown:7
            nameserver 192.0.2.1
            nameserver not-an-address
            nameserver
            sortlist 10.0.0.0

            """)
        #expect(list.servers.map(\.description) == ["192.0.2.1", "2001:db8::53"])
        #expect(list.search == ["home.example", "lan"])
        #expect(list.dots == 2 && list.timeout == 3 && list.attempts == 4 && list.rotates)
        let plain = parse("nameserver 192.0.2.1\r\ndomain home.example\r\n")
        #expect(plain.servers.count == 1 && plain.search == ["home.example"])
        #expect(plain.dots == 1 && plain.timeout == nil && plain.attempts == 2 && !plain.rotates)
        #expect(parse("") == NameServerList() && parse("options timeout:0 attempts:99 ndots:-1").attempts == 5)
    }

    @Test func `A link-local server has its interface behind it, by name or by number`() {
        let list = parse(
            "nameserver fe80::1%lo\nnameserver fe80::2%no-such-card\nnameserver fe80::3%1\nnameserver fe80::4\n")
        #expect(list.servers.map(\.index) == [if_nametoindex("lo"), 0, 1, 0])
        #expect(list.servers.map(\.zone) == ["lo", "no-such-card", "1", nil])
        #expect(list.servers[0].description == "fe80::1%lo")
    }
}

@Suite struct HostListTests {
    private func text(_ file: String) -> String {
        String(decoding: HostList(parsing: Array(file.utf8)).text, as: UTF8.self)
    }

    @Test func `A line for each name, in their order, with all its addresses`() {
        let turned = text(
            """
            127.0.0.1\tlocalhost
            ::1 localhost ip6-localhost # comment
            192.168.1.9  NAS nas.home.example.
            # 10.0.0.1 gone
            0.0.0.0 ads.example
            fe80::1%eth0 scoped
            nonsense name
            10.0.0.2
            10.0.0.3 bad/name good_name
            fd00::9 nas
            """)
        #expect(
            turned == """
                ads.example 0.0.0.0
                good_name 10.0.0.3
                ip6-localhost ::1
                localhost 127.0.0.1 ::1
                nas 192.168.1.9 fd00::9
                nas.home.example 192.168.1.9

                """)
        #expect(text("") == "" && text("# nothing\n") == "")
    }

    @Test func `A blocklist of a hundred thousand names is read in a moment`() {
        let file = Array((0..<100_000).map { "0.0.0.0 ad\($0).example.com\n" }.joined().utf8)
        let start = ContinuousClock.now
        let list = HostList(parsing: file)
        #expect(list.text.count > 2_000_000)
        #expect(ContinuousClock.now - start < .seconds(20))
    }
}

@Suite struct FollowedFileTests {
    private let directory = NSTemporaryDirectory() + "followed-\(UUID().uuidString)"

    private func text(_ file: inout FollowedFile) -> String? {
        file.readIfChanged().map { String(decoding: $0, as: UTF8.self) }
    }

    /// A box boots with /etc/resolv.conf a link into /run, where there is nothing yet: what had been read then stayed for ever.
    @Test func `A file that appears behind a dangling link, is replaced and goes is followed`() throws {
        let manager = FileManager.default
        try manager.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? manager.removeItem(atPath: directory) }
        let link = directory + "/resolv.conf"
        let target = directory + "/run/late/resolv.conf"
        try manager.createSymbolicLink(atPath: link, withDestinationPath: target)
        var file = FollowedFile(link, atMost: 1000)
        #expect(text(&file) == "")
        #expect(text(&file) == nil)
        try manager.createDirectory(atPath: directory + "/run/late", withIntermediateDirectories: true)
        try "one".write(toFile: target, atomically: false, encoding: .utf8)
        #expect(text(&file) == "one")
        // Lately written: the same size within the same tick of the kernel's clock must not pass unseen.
        try "two".write(toFile: target, atomically: false, encoding: .utf8)
        #expect(text(&file) == "two")
        try "six".write(toFile: target, atomically: true, encoding: .utf8)
        #expect(text(&file) == "six")
        try manager.removeItem(atPath: target)
        #expect(text(&file) == "")
        try manager.removeItem(atPath: link)
        try String(repeating: "x", count: 2000).write(toFile: link, atomically: true, encoding: .utf8)
        #expect(text(&file)?.count == 1000)
    }
}
