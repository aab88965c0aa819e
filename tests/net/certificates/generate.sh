#!/usr/bin/env bash
# Makes the certificates of the tests anew: two authorities, what they signed, and some that nobody should believe. Their
# keys are in the open and protect nothing.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1.key"; }

authority() { # NAME
  key "$work/$1"
  openssl req -x509 -new -key "$work/$1.key" -subj "/CN=Jackfield test $1" -days 36500 -out "$1.pem" \
    -addext basicConstraints=critical,CA:true -addext keyUsage=critical,keyCertSign,cRLSign
}

certificate() { # NAME SUBJECT-ALTERNATIVE-NAMES USAGE START END AUTHORITY
  key "$1"
  openssl req -new -key "$1.key" -subj "/CN=Jackfield test $1" -out "$work/$1.csr"
  printf 'basicConstraints=CA:false\nextendedKeyUsage=%s\n' "$3" >"$work/extensions"
  [ -z "$2" ] || printf 'subjectAltName=%s\n' "$2" >>"$work/extensions"
  : >"$work/index"
  cat >"$work/ca.conf" <<CONF
[ca]
default_ca=test
[test]
database=$work/index
new_certs_dir=$work
default_md=sha256
policy=any
rand_serial=yes
[any]
commonName=supplied
CONF
  openssl ca -batch -notext -config "$work/ca.conf" -cert "$6.pem" -keyfile "$work/$6.key" -in "$work/$1.csr" \
    -extfile "$work/extensions" -startdate "$4" -enddate "$5" -out "$1.pem" 2>/dev/null
}

always=20200101000000Z
never=21200101000000Z
authority authority
authority stranger
certificate localhost DNS:localhost,DNS:*.example.test,IP:127.0.0.1,IP:::1 serverAuth $always $never authority
certificate elsewhere DNS:elsewhere.test serverAuth $always $never authority
certificate expired DNS:localhost,IP:127.0.0.1,IP:::1 serverAuth $always 20200201000000Z authority
certificate early DNS:localhost,IP:127.0.0.1,IP:::1 serverAuth 21190101000000Z $never authority
certificate client "" clientAuth $always $never authority
certificate impostor "" clientAuth $always $never stranger

# One that signed for itself.
key selfsigned
openssl req -x509 -new -key selfsigned.key -subj "/CN=127.0.0.1" -days 36500 -out selfsigned.pem \
  -addext subjectAltName=IP:127.0.0.1
