/// The script that tells a browser which proxy to take for which URL: `FindProxyForURL(url, host)`, in the JavaScript that all
/// engines of it have had since 1996 (no specification but Netscape's; MDN, "Proxy Auto-Configuration (PAC) file").
///
/// It looks up no name: a device behind the gateway may have no name server, and the question would tell the LAN where the
/// device goes. And it never ends in DIRECT: a browser that goes on without its proxy as soon as that does not answer tells
/// everybody on the way what it was to keep to itself.
package struct ProxyAutoConfiguration: Hashable, Sendable {
    package enum Scheme: String, Hashable, Sendable {
        case http = "PROXY"
        /// HTTP inside TLS.
        case https = "HTTPS"
        case socks5 = "SOCKS5"
    }

    /// A proxy: what it speaks, and where, an IPv6 address in brackets.
    package struct Proxy: Hashable, Sendable {
        package let scheme: Scheme
        package let host: String
        package let port: UInt16

        package init(_ scheme: Scheme, host: String, port: UInt16) {
            self.scheme = scheme
            self.host = host
            self.port = port
        }
    }

    /// A network that is reached without a proxy: the bits that its addresses begin with.
    package struct Network: Hashable, Sendable {
        let bits: String
        /// For people who read the script.
        let name: String

        /// - Parameters:
        ///   - address: 4 or 16 bytes.
        ///   - prefix: at most as many bits as there are.
        package init(_ address: [UInt8], prefix: Int, name: String) {
            self.name = name
            let bits = address.map { byte in
                String((0..<8).map { byte & 0x80 >> UInt8($0) == 0 ? "0" : "1" })
            }
            // 4 or 6: the same bits mean another network in the other family.
            self.bits = (address.count == 4 ? "4" : "6") + bits.joined().prefix(prefix)
        }
    }

    /// Tried in this order; not empty, or a browser would go without.
    package let proxies: [Proxy]
    package let networks: [Network]

    package init(proxies: [Proxy], networks: [Network]) {
        self.proxies = proxies
        self.networks = networks
    }

    package static let mediaType = "application/x-ns-proxy-autoconfig"

    /// The script.
    package var text: String {
        let route = proxies.map { "\($0.scheme.rawValue) \($0.host):\($0.port)" }.joined(separator: "; ")
        let direct = networks.map { "  [\(quoted($0.name)), \(quoted($0.bits))]" }.joined(separator: ",\n")
        return """
            // Written by Gatehouse for the client that asked, from the listeners that there are now.
            var route = \(quoted(route));
            // Networks that need no proxy, each with its IP version and the bits that its addresses begin with.
            var near = [
            \(direct)
            ];

            function FindProxyForURL(url, host) {
              host = host.toLowerCase().replace(/^\\[|\\]$/g, "");
              var bits = bitsOf(host), i;
              if (bits) {
                for (i = 0; i < near.length; i++) if (bits.indexOf(near[i][1]) === 0) return "DIRECT";
                return route;
              }
              // Names that mean something on the LAN only: without a dot, RFC 6761, RFC 6762, RFC 8375.
              if (host.indexOf(".") < 0 || /\\.(localhost|local|home\\.arpa)\\.?$/.test(host)) return "DIRECT";
              return route;
            }

            // "" for a name.
            function bitsOf(host) {
              var groups, fields, gap, bits, i;
              if (/^\\d+\\.\\d+\\.\\d+\\.\\d+$/.test(host)) {
                groups = host.split(".");
                bits = "4";
                for (i = 0; i < 4; i++) bits += (256 + (groups[i] & 255)).toString(2).slice(1);
                return bits;
              }
              if (host.indexOf(":") < 0) return "";
              fields = host.split("::");
              groups = fields[0] ? fields[0].split(":") : [];
              gap = groups.length;
              if (fields[1]) groups = groups.concat(fields[1].split(":"));
              if (fields.length > 1) while (groups.length < 8) groups.splice(gap, 0, "0");
              bits = "6";
              for (i = 0; i < 8; i++) bits += (65536 + (parseInt(groups[i], 16) & 65535)).toString(2).slice(1);
              return bits;
            }
            """
    }
}

/// A string of JavaScript. Whatever could end it, or the script, or mean something to what the script is embedded in, is
/// written as a number.
private func quoted(_ text: String) -> String {
    let units = text.utf16.map { unit -> String in
        switch unit {
        case 0x20, 0x28...0x3b, 0x3d, 0x41...0x5b, 0x5d, 0x5f, 0x61...0x7a: String(UnicodeScalar(UInt8(unit)))
        default: "\\u" + String(repeating: "0", count: 4 - String(unit, radix: 16).count) + String(unit, radix: 16)
        }
    }
    return "\"" + units.joined() + "\""
}
