"""The local cloud: a stand-in for MIC and the AWS IoT Core below it, on this machine."""
