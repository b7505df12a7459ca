import Address
import Glibc
import Policy

/// The names of ports, as services(5) has them.
enum Services {
    /// Every port that is called `name`, over TCP, UDP or both.
    static func named(_ name: String) throws -> [Opening.Service] {
        let services = Opening.Transport.allCases.compactMap { transport in
            port(of: name, transport).map { Opening.Service.ports(transport, $0) }
        }
        guard !services.isEmpty else {
            throw Failure(
                "\(name) is no service of /etc/services; say what it is with --tcp PORT, --udp PORT or --proto NAME")
        }
        return services
    }

    /// nil: there is none of that name.
    static func port(of name: String, _ transport: Opening.Transport) -> PortRange? {
        var found: PortRange?
        if let file = fopen("/etc/services", "re") {
            defer { fclose(file) }
            var line = [CChar](repeating: 0, count: 1024)
            while found == nil, fgets(&line, Int32(line.count), file) != nil {
                let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
                found = port(in: text, called: name, transport)
            }
        }
        // What nobody should be shut out for want of a file.
        return found ?? (name == "ssh" && transport == .tcp ? PortRange(22, 22) : nil)
    }

    /// Of a line `NAME PORT/TRANSPORT ALIAS… # comment`.
    static func port(in line: String, called name: String, _ transport: Opening.Transport) -> PortRange? {
        let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
        guard words.count > 1, words[0] == name || words[2...].contains(Substring(name)) else { return nil }
        let parts = words[1].split(separator: "/")
        guard parts.count == 2, parts[1] == transport.rawValue, let port = parsePort(parts[0]) else { return nil }
        return PortRange(port, port)
    }
}

/// The ports of an opening over one transport.
struct Ports: Sendable {
    let service: Opening.Service

    static func parse(_ transport: Opening.Transport) -> @Sendable (String) throws -> Ports {
        { text in
            guard let ports = PortRange(text) ?? Services.port(of: text, transport) else {
                throw Refusal(
                    "write PORT or PORT-PORT, numbers from 1 to 65535, the lower one first, or a name of /etc/services")
            }
            return Ports(service: .ports(transport, ports))
        }
    }
}

extension IPProtocol {
    @Sendable static func parse(argument text: String) throws -> IPProtocol {
        guard let number = IPProtocol(text) else {
            throw Refusal("write the number of an IP protocol, from 0 to 255, or a name like icmp, gre, esp or ipv6")
        }
        return number
    }
}

/// A length of time.
struct Span: Hashable, Sendable {
    let seconds: Int

    @Sendable static func parse(argument text: String) throws -> Span {
        let units = ["s": 1, "m": 60, "h": 3600, "d": 86400]
        guard let unit = text.last.flatMap({ units[String($0)] }), text.count <= 7,
            text.dropLast().utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(text.dropLast()),
            number > 0
        else { throw Refusal("write a time like 90s, 30m, 2h or 7d") }
        return Span(seconds: number * unit)
    }
}

/// Seconds since 1970, by the machine's clock.
func now() -> Int { Int(time(nil)) }
