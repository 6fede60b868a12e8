import Foundation

/// A token server as a docker-registry trusts it (distribution 2.8, `auth: token`): who shows the right password gets a
/// token to pull one repository, everybody else one that is good for nothing.
package final class TokenServer: Sendable {
    package let server: ScriptedServer
    /// For the registry's configuration file.
    package let auth: String
    /// The one that is good for something.
    package let token: String
    private let folder: TemporaryFolder

    /// `user` is `name:password`.
    package init(user: String, repository: String) async throws {
        let folder = try TemporaryFolder("tokens")
        self.folder = folder
        let (key, certificate) = (folder.path("key.pem"), folder.path("certificate.pem"))
        try await ChildProcess.check([
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=tests",
            "-keyout", key, "-out", certificate,
        ])
        let access = #"[{"type":"repository","name":"\#(repository)","actions":["pull"]}]"#
        let good = try await Self.token(access: access, folder)
        token = good
        let useless = try await Self.token(access: "[]", folder)
        let basic = "Basic " + Data(user.utf8).base64EncodedString()
        server = try await ScriptedServer { request in
            // The client then asks again by GET (containerd, `authHandler.doBearerAuth`).
            guard request.method == "GET" else { return .response(405) + [.close] }
            switch request.header("authorization") {
            case nil: return .response(200, body: Array(#"{"token":"\#(useless)"}"#.utf8))
            case basic: return .response(200, body: Array(#"{"token":"\#(good)"}"#.utf8))
            default: return .response(401)
            }
        }
        auth = """
            auth:
              token:
                realm: \(server.url)/token
                service: tests
                issuer: tests
                rootcertbundle: \(certificate)
            """
    }

    /// A JSON Web Token signed with the folder's key (RFC 7515), with its certificate beside the signature.
    private static func token(access: String, _ folder: TemporaryFolder) async throws -> String {
        let pem = String(decoding: try folder.read("certificate.pem"), as: UTF8.self)
        let der = pem.split(separator: "\n").filter { !$0.hasPrefix("-") }.joined()
        let now = Int(Date().timeIntervalSince1970)
        let header = #"{"typ":"JWT","alg":"RS256","x5c":["\#(der)"]}"#
        let claims = """
            {"iss":"tests","sub":"somebody","aud":"tests","exp":\(now + 3600),"nbf":\(now - 60),"iat":\(now),"jti":"1",\
            "access":\(access)}
            """
        let signed = base64URL(Array(header.utf8)) + "." + base64URL(Array(claims.utf8))
        let (input, output) = (try folder.write("signed", Array(signed.utf8)), folder.path("signature"))
        try await ChildProcess.check([
            "openssl", "dgst", "-sha256", "-sign", folder.path("key.pem"), "-out", output, input,
        ])
        return signed + "." + base64URL(try folder.read("signature"))
    }

    private static func base64URL(_ bytes: [UInt8]) -> String {
        Data(bytes).base64EncodedString().replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
    }
}
