"""Audio: what a media engine is (`engine`), SDP, and two engines.

`NullEngine` (null.py) negotiates and carries nothing; `LocalEngine` (local.py) carries RTP over ICE and DTLS-SRTP and
needs the extra `offhook[media]`. Import the engines from their own modules: the base install has no numpy.
"""
