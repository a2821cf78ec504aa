// Controllers are those of kube-controller-manager that make an API server without nodes behave like a
// cluster: owner references and namespace deletion, service accounts with their tokens and the CA to check the
// server with, aggregated roles. All of kube-controller-manager compiles 300 packages more for the others.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/certificates/rootcacertpublisher"
	"k8s.io/kubernetes/pkg/controller/clusterroleaggregation"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/namespace"
	sacontroller "k8s.io/kubernetes/pkg/controller/serviceaccount"
	"k8s.io/kubernetes/pkg/serviceaccount"
)

const (
	// A client's default of 5 requests a second makes deleting a batch of thousands of things slow.
	requestsPerSecond = 400
	burst             = 800
	// kube-controller-manager's own values.
	resync          = 12 * time.Hour
	namespaceResync = 5 * time.Minute
	refreshKinds    = 30 * time.Second
	workers         = 5
	gcWorkers       = 20
)

type options struct {
	kubeconfig, serviceAccountKey, rootCA string
}

func main() {
	var given options
	flag.StringVar(&given.kubeconfig, "kubeconfig", "", "file: the API server and an administrator's credentials")
	flag.StringVar(&given.serviceAccountKey, "service-account-private-key-file", "", "PEM file: signs tokens in Secrets")
	flag.StringVar(&given.rootCA, "root-ca-file", "", "PEM file: the CA that signed the API server's certificate")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, given); err != nil {
		fmt.Fprintln(os.Stderr, "controllers:", err)
		os.Exit(1)
	}
}

// run returns when ctx has ended and all controllers with it, or with the error that kept them from starting.
func run(ctx context.Context, given options) error {
	config, err := clientcmd.BuildConfigFromFlags("", given.kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = requestsPerSecond, burst
	rootCA, err := os.ReadFile(given.rootCA)
	if err != nil {
		return err
	}
	key, err := keyutil.PrivateKeyFromFile(given.serviceAccountKey)
	if err != nil {
		return err
	}
	tokens, err := serviceaccount.JWTTokenGenerator(serviceaccount.LegacyIssuer, key)
	if err != nil {
		return err
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	typed := rest.CopyConfig(config)
	typed.ContentType = "application/vnd.kubernetes.protobuf"
	client, err := kubernetes.NewForConfig(typed)
	if err != nil {
		return err
	}
	all := &controllers{
		client:         client,
		metadata:       metadataClient,
		objects:        informers.NewSharedInformerFactoryWithOptions(client, resync, informers.WithTransform(trim)),
		objectMetadata: metadatainformer.NewSharedInformerFactoryWithOptions(metadataClient, resync, metadatainformer.WithTransform(trim)),
		started:        make(chan struct{}),
	}
	for _, add := range []func(context.Context) error{
		all.addGarbageCollector,
		all.addNamespaces,
		all.addRoles,
		func(ctx context.Context) error { return all.addServiceAccounts(ctx, tokens, rootCA) },
	} {
		if err := add(ctx); err != nil {
			return err
		}
	}
	all.run(ctx)
	return nil
}

type controllers struct {
	client         kubernetes.Interface
	metadata       metadata.Interface
	objects        informers.SharedInformerFactory
	objectMetadata metadatainformer.SharedInformerFactory
	started        chan struct{} // closed when the informers run
	loops          []func(context.Context)
}

func (c *controllers) run(ctx context.Context) {
	var running sync.WaitGroup
	for _, loop := range c.loops {
		running.Go(func() { loop(ctx) })
	}
	c.objects.Start(ctx.Done())
	c.objectMetadata.Start(ctx.Done())
	close(c.started)
	running.Wait()
}

func (c *controllers) addGarbageCollector(ctx context.Context) error {
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(c.client.Discovery()))
	either := informerfactory.NewInformerFactory(c.objects, c.objectMetadata)
	collector, err := garbagecollector.NewGarbageCollector(
		ctx, c.client, c.metadata, mapper, garbagecollector.DefaultIgnoredResources(), either, c.started)
	if err != nil {
		return err
	}
	c.loops = append(c.loops,
		func(ctx context.Context) {
			wait.UntilWithContext(ctx, func(context.Context) { mapper.Reset() }, refreshKinds)
		},
		func(ctx context.Context) { collector.Run(ctx, gcWorkers, refreshKinds) },
		func(ctx context.Context) { collector.Sync(ctx, c.client.Discovery(), refreshKinds) },
	)
	return nil
}

func (c *controllers) addNamespaces(ctx context.Context) error {
	kinds := c.client.Discovery().ServerPreferredNamespacedResources
	controller := namespace.NewNamespaceController(
		ctx, c.client, c.metadata, kinds, c.objects.Core().V1().Namespaces(), namespaceResync, v1.FinalizerKubernetes)
	c.loops = append(c.loops, func(ctx context.Context) { controller.Run(ctx, workers) })
	return nil
}

func (c *controllers) addRoles(context.Context) error {
	controller := clusterroleaggregation.NewClusterRoleAggregation(c.objects.Rbac().V1().ClusterRoles(), c.client.RbacV1())
	c.loops = append(c.loops, func(ctx context.Context) { controller.Run(ctx, workers) })
	return nil
}

func (c *controllers) addServiceAccounts(ctx context.Context, tokens serviceaccount.TokenGenerator, rootCA []byte) error {
	core, log := c.objects.Core().V1(), klog.FromContext(ctx)
	accounts, err := sacontroller.NewServiceAccountsController(
		log, core.ServiceAccounts(), core.Namespaces(), c.client, sacontroller.DefaultServiceAccountsControllerOptions())
	if err != nil {
		return err
	}
	secrets, err := sacontroller.NewTokensController(log, core.ServiceAccounts(), core.Secrets(), c.client,
		sacontroller.TokensControllerOptions{TokenGenerator: tokens, RootCA: rootCA})
	if err != nil {
		return err
	}
	publisher, err := rootcacertpublisher.NewPublisher(core.ConfigMaps(), core.Namespaces(), c.client, rootCA)
	if err != nil {
		return err
	}
	c.loops = append(c.loops,
		func(ctx context.Context) { accounts.Run(ctx, workers) },
		func(ctx context.Context) { secrets.Run(ctx, workers) },
		func(ctx context.Context) { publisher.Run(ctx, workers) },
	)
	return nil
}

// trim drops managedFields, the larger part of many objects: nobody here reads them.
func trim(object any) (any, error) {
	if accessor, err := meta.Accessor(object); err == nil {
		accessor.SetManagedFields(nil)
	}
	return object, nil
}
