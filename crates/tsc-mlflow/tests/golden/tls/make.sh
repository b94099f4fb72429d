#!/bin/sh
# Makes the certificates of the TLS tests: an authority, a server of it, a client of it; valid for a century.
set -e
key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1.key"; }
key ca
openssl req -x509 -new -key ca.key -subj "/CN=tsc test authority" -days 36500 -out ca.pem \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign"
for name in server client; do
    key "$name"
    printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n' > "$name.ext"
    openssl req -new -key "$name.key" -subj "/CN=tsc test $name" |
        openssl x509 -req -CA ca.pem -CAkey ca.key -days 36500 -extfile "$name.ext" -out "$name.crt"
    cat "$name.crt" "$name.key" > "$name.pem"
    rm "$name.crt" "$name.key" "$name.ext"
done
rm -f ca.key ca.srl
