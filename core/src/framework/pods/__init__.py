"""Parts of Kubernetes pods, as the spec of a Function has them: what every kind whose runs are pods renders alike.

All of it is pure: documents in, dictionaries as `kubectl apply` takes them out.
"""
