/** Who the parts of a cluster are to each other: common names of their certificates, hence their users. */
export const PROXY_USER = 'system:kube-proxy'
/** What the API server shows to agents and proxies. */
export const API_SERVER_CLIENT = 'kube-apiserver-kubelet-client'
/** Who may read every series and find out where they are served; Kubernetes' own group. */
export const MONITORING_GROUP = 'system:monitoring'
