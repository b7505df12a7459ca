import Address

/// What a device of the home has to know of the listeners that it can use.
package struct ClientSettings: Sendable {
    package let offers: [Premises.Offer]
    /// Where the PAC file is; nil: no listener serves it.
    package var script: String?
    /// Where the gateway's own page is, which says what to enter; nil as above.
    package let page: String?
    /// The best of those that speak HTTP outside TLS, inside TLS, and SOCKS5.
    package let http: Premises.Offer?
    package let https: Premises.Offer?
    package let socks: Premises.Offer?

    /// What a device keeps the certificate of the gateway's own authority in.
    package static let authorityFile = "gatehouse-ca.crt"

    /// RFC 5280 §4.2.1.10 wants name constraints critical, and an extension that is critical and not understood makes a certificate
    /// invalid (§4.2). mbedTLS reads none (Mbed-TLS/mbedtls#8759, #9324).
    package static let authorityCaveat = """
        Programs built on mbedTLS (OpenWrt, many small devices, some builds of curl and ffmpeg) cannot read that certificate, \
        because it is limited to local names; in one file with others it may keep them from reading those, too.
        """

    package init(_ offers: [Premises.Offer]) {
        self.offers = offers
        // A device trusts no CA of ours before somebody has seen to it, and more networks have IPv4.
        let order: [(Premises.Offer) -> Bool] = [
            { $0.kind != .https && $0.isIPv4 }, { $0.kind != .https }, { $0.isIPv4 }, { _ in true },
        ]
        let served = offers.filter { $0.autoConfiguration != nil }
        let first = order.lazy.compactMap { served.first(where: $0) }.first
        script = first?.autoConfiguration
        page = first?.page
        func best(_ isFit: (Premises.Offer) -> Bool) -> Premises.Offer? {
            let fit = offers.filter(isFit)
            return fit.first { $0.isIPv4 && !$0.needsPassword } ?? fit.first { !$0.needsPassword } ?? fit.first(
                where: \.isIPv4)
                ?? fit.first
        }
        http = best { $0.kind == .http || $0.kind == .mixed }
        https = best { $0.kind == .https }
        socks = best { $0.kind.speaksSOCKS }
    }

    package var isEmpty: Bool { offers.isEmpty }

    /// What a program is to be given that takes the URL of any HTTP proxy.
    package var anyHTTP: Premises.Offer? { http ?? https }
}

extension Premises.Offer {
    package var needsPassword: Bool { authentication == .required }

    /// For programs that take a URL; names are left to the proxy.
    package var url: String { "\(scheme)://\(endpoint)" }

    /// The same with a place for the login, where one is needed.
    package var urlWithLogin: String { needsPassword ? "\(scheme)://USER:PASSWORD@\(endpoint)" : url }

    private var scheme: String {
        switch kind {
        case .dns: "dns"
        case .socks5: "socks5h"
        case .http, .mixed: "http"
        case .https: "https"
        }
    }

    /// The same as SOCKS5, if it speaks that.
    package var asSOCKS: Premises.Offer {
        var offer = self
        if kind == .mixed { offer.kind = .socks5 }
        return offer
    }
}
