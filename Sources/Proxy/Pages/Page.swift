import COpenSSL
import Wire

/// A page of the gateway's own, in one piece: no script, and nothing that is fetched from anywhere. It is shown beneath the
/// address of a site that could not be reached, so what comes from a request is text in it (`Markup`), and what a browser may do with
/// it is forbidden (`securityPolicy`).
struct Page {
    let title: String
    let content: Markup

    static let mediaType = "text/html; charset=utf-8"

    var html: String {
        let markup: Markup = """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <title>\(title)</title>
            <style>\(Self.style)</style>
            </head>
            <body>
            <main>
            <header><svg viewBox="0 0 24 24" aria-hidden="true"><path d="M3 22V6l3-1.5V2h3v2l3-1 3 1V2h3v2.5L21 6v16h-5v-6a4 4 0 0 0-8 \
            0v6z"/></svg>Gatehouse</header>
            \(content)
            </main>
            </body>
            </html>

            """
        return markup.text
    }

    /// Nothing but the style that is written here (W3C, Content Security Policy Level 3, §2.3.1).
    static let securityPolicy =
        "default-src 'none'; style-src 'sha256-\(base64OfSHA256(style.text))'; base-uri 'none'; form-action 'none'; "
        + "frame-ancestors 'none'"

    private static let style: Markup = """
        :root{color-scheme:light dark;--ground:#f4f3ef;--sheet:#fffefb;--ink:#22252a;--soft:#646a73;--line:#e3e0d8;\
        --accent:#1d5f59;--field:#f0eee8}
        @media (prefers-color-scheme:dark){:root{--ground:#131518;--sheet:#1b1e22;--ink:#e8e6e1;--soft:#9aa1aa;\
        --line:#2d3137;--accent:#7fc4bb;--field:#24282d}}
        *{box-sizing:border-box}
        html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
        body{margin:0;background:var(--ground);color:var(--ink);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,\
        "Helvetica Neue",sans-serif;overflow-wrap:anywhere}
        main{max-width:42rem;margin:0 auto;padding:clamp(1rem,6vw,4.5rem) 1rem 2rem}
        header{display:flex;align-items:center;gap:.55rem;margin:0 .25rem 1rem;color:var(--soft);font-size:.95rem;\
        font-weight:600;letter-spacing:.01em}
        header svg{width:1.3rem;height:1.3rem;fill:var(--accent)}
        .sheet{background:var(--sheet);border:1px solid var(--line);border-radius:14px;\
        padding:clamp(1.25rem,5vw,2.25rem);margin-bottom:1rem}
        h1{font-size:clamp(1.45rem,5.5vw,1.9rem);line-height:1.22;font-weight:650;letter-spacing:-.015em;margin:0 0 .6rem;text-wrap:balance}
        h2{font-size:1.1rem;line-height:1.3;font-weight:650;margin:0 0 .6rem}
        h3{font-size:.95rem;font-weight:500;margin:1.1rem 0 .4rem;color:var(--soft)}
        p{margin:0 0 .8rem}
        .sheet>:last-child,p:last-child{margin-bottom:0}
        details+p{margin-top:1.1rem}
        .status{color:var(--soft);font-size:.875rem;margin:0 0 .35rem;font-variant-numeric:tabular-nums}
        .soft,footer{color:var(--soft);font-size:.9rem}
        footer{padding:0 .25rem}
        dl.notice{margin:1.4rem 0 0;border-top:1px solid var(--line)}
        dl.notice dt{color:var(--soft);font-size:.875rem;margin-top:1.1rem}
        dl.notice dd{margin:.1rem 0 0}
        dl.notice code{display:inline-block;max-width:100%;overflow-x:auto;white-space:nowrap;vertical-align:bottom;\
        background:var(--field);border-radius:5px;padding:0 .4em}
        a{color:var(--accent);text-underline-offset:.18em}
        code,pre{font:.9em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
        .copy{display:block;background:var(--field);border-radius:9px;padding:.7rem .9rem;margin:0 0 .8rem;\
        -webkit-user-select:all;user-select:all}
        pre.copy{white-space:pre-wrap;margin:.3rem 0}
        details{border-top:1px solid var(--line)}
        details:last-of-type{border-bottom:1px solid var(--line)}
        summary{cursor:pointer;padding:.8rem 0;font-weight:600;list-style:none;display:flex;align-items:center;gap:.6rem}
        summary::-webkit-details-marker{display:none}
        summary::after{content:"";width:.5rem;height:.5rem;margin-left:auto;margin-right:.3rem;\
        border:solid var(--soft);border-width:0 2px 2px 0;transform:rotate(45deg)}
        details[open] summary::after{transform:rotate(-135deg)}
        details>div{padding:0 0 1.1rem}
        details h3:first-child{margin-top:0}
        table{border-collapse:collapse;width:100%}
        th,td{text-align:left;vertical-align:top;padding:.4rem 1rem .4rem 0;font-weight:400}
        th{color:var(--soft);font-size:.9rem;width:46%}
        thead th{width:auto}
        .list{margin-bottom:.8rem}
        .list td code{white-space:nowrap}
        @media (max-width:30rem){.form th,.form td{display:block;width:auto}.form th{padding-bottom:0}.form td{padding-top:0}}
        tbody tr{border-top:1px solid var(--line)}
        td{font-variant-numeric:tabular-nums}
        td code{-webkit-user-select:all;user-select:all}
        .buttons{display:flex;flex-wrap:wrap;gap:.6rem;margin:0 0 1rem}
        .buttons a{border:1px solid var(--accent);border-radius:9px;padding:.55rem .95rem;text-decoration:none;font-weight:600}
        .finger{font-size:.8rem;color:var(--soft)}
        summary:focus-visible,a:focus-visible{outline:2px solid var(--accent);outline-offset:3px;border-radius:4px}
        """
}

extension OwnResponse {
    /// - Parameter page: in place of the body.
    func with(_ page: Page) -> OwnResponse {
        var response = self
        response.body = page.html
        response.mediaType = Page.mediaType
        response.securityPolicy = Page.securityPolicy
        return response
    }
}

private func base64OfSHA256(_ text: String) -> String {
    let bytes = Array(text.utf8)
    var digest = [UInt8](repeating: 0, count: 32)
    EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha256(), nil)
    // Four characters for each three bytes, and a zero.
    var encoded = [UInt8](repeating: 0, count: 45)
    let count = EVP_EncodeBlock(&encoded, digest, Int32(digest.count))
    return String(decoding: encoded[..<Int(count)], as: UTF8.self)
}
